i = 3
f = 0.5
formatted = f'stage{i}.block{i + 1}_{f}_{"x"}_{None}{True}'
braces = f'{{{i}}}'
joined = 'a' f'{i}' 'b{i}'
raw = rf'\d{i}'
inside = f'{ i }{[1, 2][0]}{dict(a=7)["a"]}'
floats = [f'{x}' for x in (1e-5, 1e16, 0.1, 100.0, 1234567890123456.0, 0.0001, -1e100)]
