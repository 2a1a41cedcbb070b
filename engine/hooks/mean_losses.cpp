#include <kestrel/engine/hooks/mean_losses.h>

#include <algorithm>

namespace kestrel {

void MeanLosses::add(const std::string& name, const Variable& value, int64_t samples) {
  auto term = std::ranges::find(terms_, name, &Term::name);
  if (term == terms_.end()) term = terms_.insert(term, Term{name, {}});
  term->values.emplace_back(value.data(), samples);
}

void MeanLosses::add(const StepResult& result) {
  for (const auto& [name, value] : result.losses) {
    if (name != total_.name) add(name, value, result.num_samples);
  }
  total_.values.emplace_back(result.loss.data(), result.num_samples);
  samples_ += result.num_samples;
}

NamedValues MeanLosses::means() const {
  NamedValues means;
  const auto append = [&](const Term& term) {
    double sum = 0;
    int64_t samples = 0;
    for (const auto& [value, count] : term.values) {
      sum += value.item<double>() * static_cast<double>(count);
      samples += count;
    }
    if (samples > 0) means.emplace_back(term.name, sum / static_cast<double>(samples));
  };
  for (const Term& term : terms_) append(term);
  append(total_);
  return means;
}

}  // namespace kestrel
