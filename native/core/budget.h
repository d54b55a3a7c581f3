// A budget of messages or bytes, for all assigned partitions together.
//
// Half of it is divided among them: what is its own a partition can always use, whatever the others hold (P6). The
// other half is lent, to whoever needs it first: to each partition as much again as its own, so that few partitions use
// all of the budget between them, and at least a good batch, so that what many partitions get at once is not a handful.
//
// The owner counts what each partition uses; it is an argument here, changed by add() and remove().
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

namespace laneway {

class Budget {
 public:
  Budget(size_t limit, size_t good_batch) : limit_(limit), good_batch_(good_batch) { divide(1, {}); }

  // Among so many partitions; `uses` is what each of them uses now, and may leave out those that use nothing.
  void divide(size_t partitions, std::span<const size_t> uses) {
    const size_t share = std::max<size_t>(limit_ / std::max<size_t>(partitions, 1), 1);
    own_ = share / 2;
    lendable_ = limit_ - std::min(own_ * partitions, limit_);
    most_ = std::max(share, std::min(good_batch_, own_ + lendable_ / 2));
    lent_ = 0;
    for (const size_t used : uses) lent_ += above_own(used);
  }

  void add(size_t& used, size_t amount) {
    lent_ += above_own(used + amount) - above_own(used);
    used += amount;
    used_ += amount;
  }
  void remove(size_t& used, size_t amount) {
    lent_ -= above_own(used) - above_own(used - amount);
    used -= amount;
    used_ -= amount;
  }

  // What a partition that uses so much may take: never more than all have left (they keep what they had when their
  // parts shrink), and at least one where it has none.
  size_t room(size_t used) const {
    const size_t own = own_ - std::min(used, own_);
    const size_t loan = std::min(lendable_ - std::min(lent_, lendable_), most_ - std::min(std::max(used, own_), most_));
    return std::max<size_t>(std::min(own + loan, left()), used == 0 ? 1 : 0);
  }

  // Hysteresis: a partition that got no room gets some again when there is a good part of it.
  bool has_good_room(size_t used) const {
    return used == 0 || room(used) >= good_part(most_) || (used + good_part(own_) <= own_ && has_space());
  }
  // A partition that uses so much has no good room: it waits for what others hold, where that is why.
  void refuse(size_t used) {
    if (used >= most_) return;
    awaits_space_ |= !has_space();
    awaits_loans_ |= !has_loans();
  }
  // True where refused partitions are to be looked at again, because others gave something back.
  bool relieves() {
    const bool space = awaits_space_ && has_space();
    const bool loans = awaits_loans_ && has_loans();
    if (space) awaits_space_ = false;
    if (loans) awaits_loans_ = false;
    return space || loans;
  }

  size_t used() const { return used_; }
  // Most that one partition may use.
  size_t most() const { return most_; }

 private:
  size_t above_own(size_t used) const { return used - std::min(used, own_); }
  size_t left() const { return limit_ - std::min(used_, limit_); }
  // Three tenths, and at least one.
  static size_t good_part(size_t of) { return std::max<size_t>(of - of * 7 / 10, 1); }
  bool has_space() const { return left() >= good_part(most_); }
  // Half of all, so that many who wait are not woken for little.
  bool has_loans() const { return lent_ <= lendable_ / 2; }

  size_t limit_;
  size_t good_batch_;
  size_t own_ = 0;  // a partition's
  size_t most_ = 0;
  size_t lendable_ = 0;
  size_t used_ = 0;
  size_t lent_ = 0;
  bool awaits_space_ = false;
  bool awaits_loans_ = false;
};

}  // namespace laneway
