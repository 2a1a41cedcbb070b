#include "data_options.h"

namespace kestrel::apps {

void add_data_options(CLI::App& app, RecogniseOptions& o) {
  app.add_option(
         "--val-share", o.val_share,
         "of a data set without a list for validation: the share of its pictures, chosen by "
         "a hash of their names, that is for validation")
      ->check(CLI::Range(0.001, 0.999))
      ->capture_default_str();
  auto* annotations = app.add_option("--annotations", o.annotations,
                                     "COCO JSON of the training pictures, whatever it is called")
                          ->check(CLI::ExistingFile);
  app.add_option("--images", o.images, "folder of the pictures of --annotations")
      ->check(CLI::ExistingDirectory)
      ->needs(annotations);
  auto* val = app.add_option("--val-annotations", o.val_annotations,
                             "the same for validation; absent: a share of --annotations")
                  ->check(CLI::ExistingFile)
                  ->needs(annotations);
  app.add_option("--val-images", o.val_images, "folder of the pictures of --val-annotations")
      ->check(CLI::ExistingDirectory)
      ->needs(val);
}

}  // namespace kestrel::apps
