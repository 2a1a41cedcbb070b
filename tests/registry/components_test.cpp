#include <kestrel/registry/components.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "../support/error_of.h"

namespace kestrel {
namespace {

enum class Colour { Red, Blue };
constexpr auto enum_names(Colour) {
  return std::array{std::pair{Colour::Red, "red"}, std::pair{Colour::Blue, "blue"}};
}

struct WheelOptions {
  double radius = 0.5;
  template <class V>
  void visit(V& v) {
    v("radius", radius, "in metres");
  }
};

struct CartOptions {
  int64_t wheels = 4;
  Colour colour = Colour::Blue;
  std::optional<WheelOptions> spare = {};
  std::vector<WheelOptions> all = {};
  std::vector<double> loads = {1, 2.5};
  std::array<int, 2> size = {3, 4};
  OneOrMore<int> seats = {{2}};
  double limit = std::numeric_limits<double>::infinity();
  Config more = {};
  template <class V>
  void visit(V& v) {
    v("wheels", wheels, "how many");
    v("colour", colour, "of the body");
    v("spare", spare, "a fifth one");
    v("all", all);
    v("loads", loads, "a | b");
    v("size", size, "length, width");
    v("seats", seats, "rows");
    v("limit", limit, "of the speed");
    v("more", more, "whatever");
  }
};

struct Vehicle {
  static constexpr const char* kKind = "vehicle";
  virtual ~Vehicle() = default;
};
struct Cart : Vehicle {
  explicit Cart(const CartOptions&) {}
};
struct Sledge : Vehicle {
  explicit Sledge(const WheelOptions&, int) {}
};
const Registration<Vehicle, Cart, CartOptions> kCart{"Cart", "has wheels"};
const Registration<Vehicle, Sledge, WheelOptions, int> kSledge{"Sledge"};

std::string row(const OptionDoc& doc) {
  return doc.name + "; " + doc.type + "; " + doc.value + "; " + doc.help;
}

TEST(Components, OptionsTellTypeDefaultAndHelp) {
  const std::vector<OptionDoc> docs = describe_options<CartOptions>();
  const std::vector<std::string> expected = {"wheels; int; 4; how many",
                                             "colour; red | blue; \"blue\"; of the body",
                                             "spare; map or null; null; a fifth one",
                                             "spare.radius; float; 0.5; in metres",
                                             "all; list of map; []; ",
                                             "all.N.radius; float; 0.5; in metres",
                                             "loads; list of float; [1.0, 2.5]; a | b",
                                             "size; [int, int]; [3, 4]; length, width",
                                             "seats; int or list of int; [2]; rows",
                                             "limit; float; inf; of the speed",
                                             "more; any; null; whatever"};
  ASSERT_EQ(docs.size(), expected.size());
  for (size_t i = 0; i < docs.size(); ++i) EXPECT_EQ(row(docs[i]), expected[i]);
}

// The line of help changes nothing for whoever reads and writes.
TEST(Components, DocumentedOptionsAreReadAndWritten) {
  const Config config = Config::parse("{wheels: 3, colour: red, spare: {radius: 1.0}}");
  const auto options = read_options<CartOptions>(config);
  EXPECT_EQ(options.wheels, 3);
  EXPECT_EQ(options.spare->radius, 1.0);
  EXPECT_EQ(write_options(options).at("colour"), Config("red"));
}

TEST(Components, KindsGatherWhatIsRegistered) {
  const std::vector<ComponentKind> kinds = registered_components();
  const ComponentKind& vehicles = find_kind(kinds, "vehicle");
  ASSERT_EQ(vehicles.components.size(), 2U);  // of two registries: one wants an int
  EXPECT_EQ(vehicles.components[0].name, "Cart");
  EXPECT_EQ(vehicles.components[0].summary, "has wheels");
  EXPECT_EQ(find_component(vehicles, "Sledge").options.size(), 1U);
  EXPECT_EQ(test::error_of<UsageError>([&] { find_component(vehicles, "Sledg"); }),
            "there is no vehicle 'Sledg'; did you mean 'Sledge'? (there are: Cart, Sledge)");
  EXPECT_TRUE(test::error_of<UsageError>([&] {
                find_kind(kinds, "vehicles");
              }).starts_with("there is no kind of components 'vehicles'; did you mean 'vehicle'?"));
}

TEST(Components, PagesShowWhatIsMissing) {
  const std::vector<ComponentKind> kinds = registered_components();
  const ComponentKind& vehicles = find_kind(kinds, "vehicle");
  const std::string page = components_markdown({vehicles});
  EXPECT_NE(page.find("\n## Vehicles\n\n### Cart\n\nhas wheels\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\n| `wheels` | int | `4` | how many |\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\n| `loads` | list of float | `[1.0, 2.5]` | a \\| b |\n"),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("\n| `all` | list of map | `[]` | **undocumented** |\n"), std::string::npos);
  EXPECT_NE(page.find("\n### Sledge\n\n**undocumented**\n"), std::string::npos);
  EXPECT_EQ(components_text({vehicles}), "vehicle\n  Cart    has wheels\n  Sledge  \n");
  const std::string text = component_text(find_component(vehicles, "Cart"));
  EXPECT_NE(text.find("\nwheels "), std::string::npos) << text;
  EXPECT_NE(text.find(" how many\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace kestrel
