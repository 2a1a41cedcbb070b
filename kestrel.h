#pragma once

// All that an application needs to detect objects: Detector, images, tensors.

#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>
#include <kestrel/tensor/device.h>
#include <kestrel/tensor/tensor.h>
