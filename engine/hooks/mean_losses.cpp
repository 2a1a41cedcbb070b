#include <kestrel/engine/hooks/mean_losses.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

namespace kestrel {

void MeanLosses::add(const std::string& name, const Variable& value, int64_t samples) {
  auto term = std::ranges::find(terms_, name, &Term::name);
  if (term == terms_.end()) term = terms_.insert(term, Term{name});
  term->values.emplace_back(value.data(), samples);
}

void MeanLosses::add(const StepResult& result) {
  for (const auto& [name, value] : result.losses) {
    if (name != total_.name) add(name, value, result.num_samples);
  }
  total_.values.emplace_back(result.loss.data(), result.num_samples);
  samples_ += result.num_samples;
}

std::pair<double, int64_t> MeanLosses::Term::sum() const {
  double sum = earlier_sum;
  int64_t samples = earlier_samples;
  for (const auto& [value, count] : values) {
    sum += value.item<double>() * static_cast<double>(count);
    samples += count;
  }
  return {sum, samples};
}

NamedValues MeanLosses::means() const {
  NamedValues means;
  const auto append = [&](const Term& term) {
    const auto [sum, samples] = term.sum();
    if (samples > 0) means.emplace_back(term.name, sum / static_cast<double>(samples));
  };
  for (const Term& term : terms_) append(term);
  append(total_);
  return means;
}

std::string MeanLosses::to_text() const {
  std::string text;
  const auto append = [&](const Term& term) {
    const auto [sum, samples] = term.sum();
    text += fmt::format("{:a} {} {}\n", sum, samples, term.name);
  };
  append(total_);
  for (const Term& term : terms_) append(term);
  return text;
}

MeanLosses MeanLosses::from_text(const std::string& text) {
  MeanLosses result;
  std::istringstream lines(text);
  std::string sum;
  Term term;
  while (lines >> sum >> term.earlier_samples && lines.get() && std::getline(lines, term.name)) {
    term.earlier_sum = std::strtod(sum.c_str(), nullptr);
    if (term.name == result.total_.name) {
      result.total_ = term;
      result.samples_ = term.earlier_samples;
    } else {
      result.terms_.push_back(term);
    }
  }
  return result;
}

}  // namespace kestrel
