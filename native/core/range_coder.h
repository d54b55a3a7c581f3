// An adaptive binary range coder: each decision is coded in about -log2 of the probability that it was given, and
// probabilities learn from what was coded, fast at first and slowly later.
//
// 64-bit interval, 16-bit probabilities, whole bytes shifted out as soon as both ends of the interval agree on them.
// The decoder reads zeros beyond the end, so that the encoder may stop at the shortest number inside the interval.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laneway {

// The probability that a decision is "yes", and how much has been learnt about it.
class Chance {
 public:
  constexpr explicit Chance(uint32_t yes = 1U << 15, uint16_t seen = 0) : yes_(yes), seen_(seen) {}

  // In 1/65536, never 0 or 1.
  uint32_t yes() const { return yes_; }

  void learn(bool was_yes) {
    const auto target = static_cast<int64_t>(was_yes ? 65'536 : 0);
    const int64_t step = ((target - static_cast<int64_t>(yes_)) * kRates[seen_]) >> 16;
    const int64_t moved = static_cast<int64_t>(yes_) + step;
    yes_ = static_cast<uint32_t>(moved < kLeast ? kLeast : (moved > 65'536 - kLeast ? 65'536 - kLeast : moved));
    if (seen_ + 1U < kRates.size()) ++seen_;
  }

 private:
  static constexpr int64_t kLeast = 24;

  // After n decisions the next one weighs 1 / (n + 1.6), and never less than 1/256.
  static constexpr std::array<int64_t, 255> make_rates() {
    std::array<int64_t, 255> rates{};
    for (size_t i = 0; i < rates.size(); ++i) rates[i] = 655'360 / static_cast<int64_t>(10 * i + 16);
    return rates;
  }
  static const std::array<int64_t, 255> kRates;

  uint32_t yes_;
  uint16_t seen_;
};

inline constexpr std::array<int64_t, 255> Chance::kRates = Chance::make_rates();

class RangeEncoder {
 public:
  void code(bool yes, Chance& chance) {
    split(yes, chance.yes());
    chance.learn(yes);
  }
  // Even chances, nothing learnt; the lowest `count` bits, highest first.
  void code_bits(uint64_t bits, int count) {
    for (int i = count - 1; i >= 0; --i) split((bits >> i & 1) != 0, 1U << 15);
  }
  size_t bytes_so_far() const { return bytes_.size(); }

  std::vector<uint8_t> finish() {
    // The number in [low, high] with the fewest bytes; what follows reads as zeros.
    for (int bytes = 0; bytes <= 8; ++bytes) {
      const int shift = 64 - 8 * bytes;
      const uint64_t number = shift == 64 ? 0 : (high_ >> shift) << shift;
      if (number < low_) continue;
      for (int i = 0; i < bytes; ++i) bytes_.push_back(static_cast<uint8_t>(number >> (56 - 8 * i)));
      break;
    }
    while (!bytes_.empty() && bytes_.back() == 0) bytes_.pop_back();
    return std::move(bytes_);
  }

 private:
  void split(bool yes, uint32_t chance) {
    const uint64_t middle = low_ + ((high_ - low_) >> 16) * chance;
    if (yes) {
      high_ = middle;
    } else {
      low_ = middle + 1;
    }
    while (((low_ ^ high_) >> 56) == 0) {
      bytes_.push_back(static_cast<uint8_t>(high_ >> 56));
      low_ <<= 8;
      high_ = high_ << 8 | 0xFF;
    }
  }

  uint64_t low_ = 0;
  uint64_t high_ = ~uint64_t{0};
  std::vector<uint8_t> bytes_;
};

class RangeDecoder {
 public:
  explicit RangeDecoder(std::span<const uint8_t> bytes) : bytes_(bytes) {
    for (int i = 0; i < 8; ++i) shift_in();
  }

  bool decode(Chance& chance) {
    const bool yes = split(chance.yes());
    chance.learn(yes);
    return yes;
  }
  uint64_t decode_bits(int count) {
    uint64_t bits = 0;
    for (int i = 0; i < count; ++i) bits = bits << 1 | (split(1U << 15) ? 1 : 0);
    return bits;
  }

 private:
  bool split(uint32_t chance) {
    const uint64_t middle = low_ + ((high_ - low_) >> 16) * chance;
    const bool yes = number_ <= middle;
    if (yes) {
      high_ = middle;
    } else {
      low_ = middle + 1;
    }
    while (((low_ ^ high_) >> 56) == 0) {
      low_ <<= 8;
      high_ = high_ << 8 | 0xFF;
      shift_in();
    }
    return yes;
  }

  void shift_in() {
    number_ = number_ << 8 | (next_ < bytes_.size() ? bytes_[next_] : 0);
    ++next_;
  }

  std::span<const uint8_t> bytes_;
  size_t next_ = 0;
  uint64_t low_ = 0;
  uint64_t high_ = ~uint64_t{0};
  uint64_t number_ = 0;
};

}  // namespace laneway
