a_list = [1, [2, 3], ]
a_tuple = (1333, 800)
bare = 1, 2,
one = (5, )
none = ()
in_brackets = (5)
by_name = dict(type='SGD', lr=0.01, nested=dict(a=None, b=()))
by_key = {'type': 'SGD', 'lr': 0.01, 'with space': 1, }
by_number = {0: 'a', 2.5: 'b', True: 'c', None: 'd', -1: 'e'}
twice = {'a': 1, 'b': 2, 'a': 3}
one_key = {1: 'int', 1.0: 'float', True: 'bool'}
of_pairs = dict([('a', 1), ('b', 2)], c=3)
spread = dict(**by_name, momentum=0.9)
over = dict(by_name, lr=1)
laid = {**by_key, 'lr': 2}
unpacked = [0, *a_tuple, *[4]]
item = by_name['nested']['b']
second = a_list[1][0]
last = a_tuple[-1]
letter = 'Köln'[1]
part = [0, 1, 2, 3, 4, 5][1:5:2]
reverse = [0, 1, 2, 3][::-1]
tail = (0, 1, 2, 3)[-2:]
beyond = [0, 1, 2][1:100]
back = 'abcdef'[4:1:-2]
