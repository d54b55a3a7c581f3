#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace laneway::simulation {

// How a budget is divided: native/core/budget.h once more, from what all partitions use.
struct Division {
  Division(const std::vector<size_t>& uses, size_t limit, size_t good_batch) {
    const size_t share = std::max<size_t>(limit / uses.size(), 1);
    own = share / 2;
    lendable = limit - std::min(limit, own * uses.size());
    most = std::max(share, std::min(good_batch, own + lendable / 2));
    for (const size_t used : uses) lent += std::max(used, own) - own;
    left = limit - std::min(limit, std::accumulate(uses.begin(), uses.end(), size_t{0}));
  }
  // Where a partition has most of what one may have, or more than most of what is its own while more than half of what
  // is lent is lent, or where all of them together leave little.
  bool may_refuse(size_t used) const {
    return used * 10 > most * 7 || (used * 10 > own * 7 && lent > lendable / 2) || left * 10 < most * 3;
  }
  bool may_give(size_t room, size_t used) const {
    const size_t loans = lendable - std::min(lendable, lent);
    return room + used <= most && room <= own - std::min(own, used) + loans;
  }

  size_t own = 0;
  size_t most = 0;
  size_t lendable = 0;
  size_t lent = 0;
  size_t left = 0;
};

}  // namespace laneway::simulation
