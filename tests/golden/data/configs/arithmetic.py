lr = 0.02 / 16 * 4
whole = [7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 % -3, 2 ** 10, 2 ** 62, -2 ** 2, 2 ** 3 ** 2, 10 - 2 - 3]
real = [1 / 3, 7 / 2, 6 / 2, 7.5 // 2, -7.5 // 2, 7.5 % 2, -7.5 % 2, 2 ** -1, 2 ** 0.5, 0.1 + 0.2, 1e308 * 10 / 1e308 > 1]
signs = [-3, +3, --3, -(1 + 2), -True, 5 * -2]
mixed = [1 + 1.0, True + 1, 3 * 1.5, 10 // 4.0]
order = 1 + 2 * 3 - 4 / 2
words = 'data/' + 'coco/' * 2
lists = [1] * 3 + [2]
tuples = (1, 2) + (3, ) * 2
times = 2 * [0]
none = [1] * 0 + [2] * -1
same = [1 == 1.0, 'a' == 'b', [1, 2] == [1, 2], dict(a=1) == {'a': 1}, (1, ) == [1], None is None]
compared = [1 < 2 < 3, 3 > 2 > 2, 'a' < 'b', [1, 2] < [1, 3], 2 <= 2 != 3]
within = ['a' in dict(a=1), 3 in [1, 2], 'b' not in 'abc', 2 in (1, 2)]
logic = [not 0, 1 and 2, 0 or 'x', None or [], not [] and True]
chosen = 'big' if lr > 1 else 'small'
functions = [len('Köln'), len([1, 2]), min(3, 1, 2), max([4, 9]), sum([1, 2.5]), abs(-2), int(2.9),
             int(-2.9), float(3), str(1.5), str(1e-5), str(1e16), str(True), bool([]), str(123456.0)]
