#pragma once

#include <kestrel/engine/build_run.h>
#include <kestrel/engine/hooks/hook_context.h>

namespace kestrel {

/// What a run that is done says last: the tables of its last evaluation, and how its best weights
/// (weights/best.safetensors, else the last ones) do on the test set, where data.test is another
/// one than data.val; a test set that cannot be used is told. Leaves these weights in the model.
void report_run(Run& run, const Evaluation& evaluation, const TrainOptions& options);

}  // namespace kestrel
