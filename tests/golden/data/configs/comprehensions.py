n = 10
squares = [i * i for i in range(4)]
steps = list(range(2, 11, 3))
down = tuple(range(5, 0, -2))
odd = [i for i in range(6) if i % 2 if i > 1]
pairs = [(i, j) for i in range(3) for j in range(i)]
nested = [[i + j for j in range(2)] for i in range(2)]
names = {f'layer{i}': dict(channels=c) for i, c in enumerate((64, 128), 1)}
zipped = [a + b for a, b in zip([1, 2, 3], 'x' * 0 or [10, 20])]
inverse = {v: k for k, v in dict(a=1, b=2).items()}
total = sum(i for i in range(5))
values = list(dict(a=1, b=2).values())
keys = [k for k in dict(a=1, b=2)]
shadowed = [n for n in range(2)]
letters = list('añ')
once = [list(z) + list(z) for z in [zip('ab', 'cd')]]
