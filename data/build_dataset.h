#pragma once

#include <memory>
#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// A data set with the transforms that its config lists for it.
struct ConfiguredDataset {
  std::unique_ptr<Dataset> dataset;
  Pipeline pipeline;
};

/// Builds data.train, data.val or data.test of a config: a registered data set, or RepeatDataset
/// (times, dataset), ClassBalancedDataset (oversample_thr, filter_empty_gt, dataset) and
/// ConcatDataset (datasets) of these, or around them all MultiImageMixDataset (dataset), whose
/// pipeline mixes images; a list as ann_file stands for a ConcatDataset. `test_mode` is
/// set where the config does not say. `classes`, where there are any, are those of the set, by
/// label, whatever the config says: those of what is evaluated on it.
ConfiguredDataset build_dataset(const Config& node, bool test_mode,
                                const std::vector<std::string>& classes = {});

/// The list of transforms of such a node. Throws UsageError where it has none.
const Config& find_pipeline(const Config& node);

/// Has such a node, and those within it, keep the masks of the objects, where its type has any.
void keep_masks(Config& node);

/// Sets `strict` in such a node, and in those within it: the first thing that is wrong with the
/// data set or an image of it is an error.
void make_strict(Config& node);

}  // namespace kestrel
