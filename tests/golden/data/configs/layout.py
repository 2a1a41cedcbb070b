# Line ends of other systems, lines that go on, and several statements in one.
a = (1 +
     2)
b = 1 + \
    2
words = """x
y"""
c = 1; d = 2;

   
   # indented
e = [  # list
    1,  # one

    2
]