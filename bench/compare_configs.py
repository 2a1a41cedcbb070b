"""Compares what Kestrel reads from MMDetection's config files with what mmcv reads from them.

    python bench/compare_configs.py KESTREL FOLDER [--json]

KESTREL is the program, build/release/bin/kestrel; FOLDER holds configs, such as mmdet/.mim/configs of an
installed MMDetection; the Python that runs this has mmcv 1.x. Files named in FOLDER are compared as JSON, with
whole numbers and real numbers told apart. Exit 1 where one differs, or where one that mmcv reads is refused
without its file and line.
"""
import argparse
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

from mmcv import Config


def typed(value):
    """1 and 1.0 are equal in Python, and not here."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('kestrel')
    parser.add_argument('folder', type=Path)
    parser.add_argument('--json', action='store_true', help='print the counts as JSON')
    args = parser.parse_args()
    warnings.simplefilter('ignore', DeprecationWarning)
    counts = dict(files=0, equal=0, refused=0, differ=0, unclear=0)
    for file in sorted(args.folder.rglob('*.py')):
        counts['files'] += 1
        config = Config.fromfile(str(file), import_custom_modules=False)
        expected = json.loads(json.dumps(config._cfg_dict.to_dict()))
        run = subprocess.run([args.kestrel, 'print-config', str(file), '--json'],
                             capture_output=True, text=True)
        if run.returncode != 0:
            clear = re.search(r'\.py:\d+: .*(not supported)', run.stderr)
            counts['refused' if clear else 'unclear'] += 1
            print('refused:', run.stderr.strip(), file=sys.stderr)
        elif typed(json.loads(run.stdout)) == typed(expected):
            counts['equal'] += 1
        else:
            counts['differ'] += 1
            print('differs:', file, file=sys.stderr)
    print(json.dumps(counts) if args.json else
          '{files} files: {equal} equal, {refused} refused, {differ} differ, {unclear} unclear'.format(**counts))
    return 1 if counts['differ'] or counts['unclear'] else 0


if __name__ == '__main__':
    sys.exit(main())
