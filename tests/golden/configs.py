"""What mmcv reads from config files: data/configs/NAME.json for each NAME.py and NAME.yaml there.

    python tests/golden/configs.py

Written with mmcv 1.7.2 on Python 3.11. base_* are bases of the others.
"""
import json
import warnings
from pathlib import Path

from mmcv import Config

FOLDER = Path(__file__).parent / 'data' / 'configs'


def main():
    warnings.simplefilter('ignore', DeprecationWarning)
    for file in sorted(FOLDER.iterdir()):
        if file.suffix in ('.py', '.yaml') and not file.name.startswith('base_'):
            config = Config.fromfile(str(file), import_custom_modules=False)
            text = json.dumps(config._cfg_dict.to_dict(), indent=1, ensure_ascii=False)
            file.with_suffix('.json').write_text(text + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
