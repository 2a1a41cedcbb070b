#pragma once

// All that an application needs to detect objects: weights, images, tensors, errors.

#include <kestrel/data/image.h>
#include <kestrel/inference/detector.h>
#include <kestrel/inference/weights.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>
#include <kestrel/tensor/device.h>
#include <kestrel/tensor/tensor.h>
