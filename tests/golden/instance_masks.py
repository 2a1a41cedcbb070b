"""Prints what tests/detection/instance_mask_test.cpp expects of resized masks.

Ran with OpenCV 4.11.0 and numpy 2.4.6.
"""
import cv2
import numpy as np

HOOK = np.array([[c == '#' for c in row] for row in ('##..', '#...', '#..#')], np.uint8)

print('OpenCV', cv2.__version__)
for height, width in ((6, 8), (2, 3), (4, 5), (7, 9)):
    resized = cv2.resize(HOOK, (width, height), interpolation=cv2.INTER_NEAREST)
    print(height, width, [''.join('.#'[v] for v in row) for row in resized])
