#pragma once

#include <nlohmann/json.hpp>

// Instantiated once, in json.cpp, and not in every test.
extern template class nlohmann::basic_json<>;
extern template class nlohmann::detail::serializer<nlohmann::json>;
