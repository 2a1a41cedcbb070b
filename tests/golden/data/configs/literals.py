"""A text by itself is a comment."""
# What can be written down as it is.
whole = [0, 7, -12, +3, 1_000_000, 0x1F, 0b101, 0o17, 00]
real = [1.0, 0.5, .5, 5., 1e-4, 1E3, 1_0.2_5e-1_0, 2.5e+3, -0.0, 1e22, 0.1, 1e-300]
nothing = None
yes, no = True, False
single = 'a "quoted" word'
double = "it's"
joined = ('one '
          "two"
          r'\d')
escapes = 'tab\tline\nback\\slash \'quote\' \x41 \u00e9 \U0001F600 \101 \q'
continued = 'one \
two'
raw = r'C:\new'
unicode_prefix = u'text'
triple = """first
  second "quoted" line
"""
accents = 'Köln – “café”'
empty = ''
