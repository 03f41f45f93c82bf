"""Makes declared.py importable beside the tests, which pytest loads by path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
