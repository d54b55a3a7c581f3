// See model.h.
#include "test/simulation/model.h"

#include <algorithm>
#include <set>
#include <utility>

#include "test/simulation/promise.h"

namespace laneway::simulation {

AssignmentModel::AssignmentModel(const Rules& rules, Breaker& breaker, std::optional<GapMap> recovered)
    : rules_(rules), breaker_(&breaker), recovered_(std::move(recovered)), lanes_(rules.keys + 1) {
  if (!recovered_) return;
  // Parts above the window are forgotten: they are run again.
  recovered_ = head_of(*recovered_, rules.options.max_window);
  position_ = recovered_->base;
  highest_ = recovered_->highest();
}

void AssignmentModel::publish(const Record& record, size_t size, bool joins) {
  if (position_ < 0) position_ = record.offset;
  if (record.offset < position_) rewind(record.offset);
  if (record.offset > position_) highest_ = std::max(highest_, record.offset - 1);
  position_ = record.offset + 1;
  end_ = -1;
  if (is_recovered(record.offset)) return;
  const uint32_t number = lane_for(record, joins);
  pending_.push_back({record, size, number});
  bytes_ += size;
  Lane& lane = lanes_[number];
  if (lane.messages == 1) {
    open(lane);
  } else if (lane.lingers && lane.messages >= rules_.options.max_run_length) {
    lane.closed = lane.lingers = false;
    --closed_lanes_;
  }
}

void AssignmentModel::reach_end(Offset end) {
  if (position_ < 0) position_ = end;
  end_ = end;
  see_end();
}

// An end too far above the lowest unsettled message counts as soon as it is near enough.
void AssignmentModel::see_end() {
  if (end_ <= position_) {
    end_ = -1;
    return;
  }
  if (!pending_.empty() && end_ - 1 - base() >= rules_.options.max_window) return;
  position_ = end_;
  highest_ = std::max(highest_, end_ - 1);
  end_ = -1;
}

void AssignmentModel::merge() {
  if (common_in_flight_ != 0) broken("P2", "lanes joined a common one of which a run is out");
  common_messages_ = 0;
  for (Lane& lane : lanes_) {
    if (lane.messages == 0) continue;
    if (lane.own && may_start(lane)) {
      lane.own = false;
      --own_lanes_;
    }
    if (!lane.own) common_messages_ += lane.messages;
  }
  if (common_messages_ == 0) broken("P2", "a common lane from offset %lld, where no lane may start", number(base()));
}

void AssignmentModel::split() {
  for (Lane& lane : lanes_) {
    if (lane.own) continue;
    lane.own = true;
    ++own_lanes_;
    if (lane.in_flight != 0) ++executing_own_lanes_;
  }
  common_messages_ = common_in_flight_ = 0;
}

bool AssignmentModel::is_in_common_lane(Offset offset) {
  const auto found = find(offset);
  return found != pending_.end() && !lanes_[found->lane].own;
}

bool AssignmentModel::may_start(const Lane& lane) const {
  return lane.in_flight == 0 && lane.withheld == 0 && !lane.closed && !lane.blocked;
}

size_t AssignmentModel::started_lanes() const {
  std::set<std::pair<uint64_t, uint32_t>> lanes;
  std::set<uint64_t> runs;
  for (const Pending& message : pending_) {
    if (message.run == 0 || !lanes_[message.lane].own) continue;
    lanes.emplace(message.run, message.lane);
    runs.insert(message.run);
  }
  return executing_lanes() - lanes.size() + runs.size();
}

const Pending& AssignmentModel::start(Offset offset, bool first_of_run, uint64_t lease, size_t engine) {
  const auto found = find(offset);
  if (found == pending_.end()) broken("P3", "offset %lld was started; it is settled or never came", number(offset));
  Lane& lane = lanes_[found->lane];
  if (found->lease != 0) broken("P2", "offset %lld was started while it is in flight", number(offset));
  if (!lane.own) {
    const bool is_next = std::all_of(pending_.begin(), found, [this](const Pending& message) {
      return message.lease != 0 || lanes_[message.lane].own;
    });
    if (!is_next || (first_of_run && common_in_flight_ != 0)) {
      broken("P2", "offset %lld is not the next of the common lane", number(offset));
    }
    if (first_of_run) run_ = lease;
    first_of_run = lane.in_flight == 0;
    found->run = run_;
  }
  if (first_of_run && lane.in_flight != 0) broken("P2", "offset %lld: its key is in flight already", number(offset));
  if (lane.closed) broken("P2", "offset %lld was started before its key was due", number(offset));
  if (lane.blocked) broken("P2", "offset %lld was started, and its lane is blocked", number(offset));
  if (lane.withheld != 0) broken("P2", "offset %lld: its key waits for a dead letter", number(offset));
  if (lane.messages > 1) {
    for (auto at = pending_.begin(); at != found; ++at) {
      if (at->lane == found->lane && (first_of_run || at->lease == 0)) {
        broken("P2", "offset %lld was started before %lld of the same key", number(offset), number(at->record.offset));
      }
    }
  }
  if (first_of_run) {
    lane.poisoned = rules_.options.poison_is_taken && breaker_->open_until(lane.key, rules_.told_ms) >= 0;
  }
  enter(lane);
  found->lease = lease;
  found->engine = engine;
  return *found;
}

Pending* AssignmentModel::leased(Offset offset, uint64_t lease, bool withheld) {
  const auto found = find(offset);
  return found == pending_.end() || found->lease != lease || found->withheld != withheld ? nullptr : &*found;
}

void AssignmentModel::settle(Pending& message, bool completed) {
  const uint32_t lane = message.lane;
  if (completed) breaker_->succeeded(lanes_[lane].key);
  highest_ = std::max(highest_, message.record.offset);
  bytes_ -= message.size;
  leave(message);
  pending_.erase(pending_.begin() + (&message - pending_.data()));
  remove_from_lane(lane);
  end_lease(lane);
  if (end_ >= 0) see_end();
}

void AssignmentModel::fail(Pending& message) {
  const Lane& lane = lanes_[message.lane];
  if (lane.poisoned) return;
  if (message.failed++ == 0) message.first_failed_ms = rules_.told_ms;
  breaker_->failed(lane.key, rules_.told_ms);
}

void AssignmentModel::give_back(Pending& message) {
  const uint32_t number = message.lane;
  const uint64_t run = message.run;
  if (!lanes_[number].own || rules_.options.poison_after != 0) split();
  for (size_t i = static_cast<size_t>(&message - pending_.data()); i < pending_.size(); ++i) {
    const bool is_of_run = run != 0 && pending_[i].run == run;
    if (pending_[i].lane != number && !is_of_run) continue;
    if (pending_[i].lease == 0 || pending_[i].withheld) continue;
    leave(pending_[i]);
    if (pending_[i].lane != number) end_lease(pending_[i].lane);
  }
  end_lease(number);
}

void AssignmentModel::retry(Pending& message, int64_t due_ms) {
  Lane& lane = lanes_[message.lane];
  fail(message);
  lane.due_ms = lane.retry ? std::max(lane.due_ms, due_ms) : due_ms;
  lane.retry = true;
  give_back(message);
}

void AssignmentModel::block(Pending& message) {
  fail(message);
  lanes_[message.lane].blocks = true;
  give_back(message);
}

void AssignmentModel::withhold(Pending& message) {
  Lane& lane = lanes_[message.lane];
  fail(message);
  message.withheld = true;
  ++withheld_;
  ++lane.withheld;
  exit(lane);
  give_back(message);
  message.run = 0;
}

void AssignmentModel::return_withheld(Pending& message) {
  leave(message);
  end_lease(message.lane);
}

void AssignmentModel::give_back_all(size_t engine) {
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i].lease != 0 && !pending_[i].withheld && pending_[i].engine == engine) give_back(pending_[i]);
  }
}

size_t AssignmentModel::advance(int64_t now_ms) {
  const size_t closed = closed_lanes_;
  if (closed == 0) return 0;
  for (Lane& lane : lanes_) {
    if (!lane.closed || lane.due_ms > now_ms) continue;
    lane.closed = lane.lingers = false;
    --closed_lanes_;
  }
  return closed - closed_lanes_;
}

int64_t AssignmentModel::next_due_ms() const {
  int64_t next = -1;
  if (closed_lanes_ == 0) return next;
  for (const Lane& lane : lanes_) {
    if (lane.closed && (next < 0 || lane.due_ms < next)) next = lane.due_ms;
  }
  return next;
}

bool AssignmentModel::has_startable(bool full) {
  ++walk_;
  for (const Pending& message : pending_) {
    if (full && message.record.offset > highest_settled()) return false;
    Lane& lane = lanes_[message.lane];
    if (lane.seen == walk_) continue;
    lane.seen = walk_;
    // The engine of a common lane has one handler at a time, and says so when that waits.
    if (lane.own ? may_start(lane) : common_in_flight_ == 0) return true;
  }
  return false;
}

int64_t AssignmentModel::gaps() const {
  const auto end = std::upper_bound(pending_.begin(), pending_.end(), highest_settled(),
                                    [](Offset at, const Pending& message) { return at < message.record.offset; });
  return end - pending_.begin();
}

void AssignmentModel::check(const GapMap& map) const {
  if (map.base != base() || map.highest() != highest_settled()) {
    broken("P1", "the gap map is from %lld to %lld, unsettled from %lld, settled up to %lld", number(map.base),
           number(map.highest()), number(base()), number(highest_settled()));
  }
  auto unsettled = pending_.begin();
  for (Offset offset = map.base; offset <= map.highest(); ++offset) {
    bool settled = true;
    if (offset >= position_) {
      settled = is_recovered(offset);
    } else if (unsettled != pending_.end() && unsettled->record.offset == offset) {
      settled = false;
      ++unsettled;
    }
    if (says_settled(map, offset) != settled) {
      broken(settled ? "P3" : "P1", "offset %lld is %s, the gap map says otherwise", number(offset),
             settled ? "settled" : "not settled");
    }
  }
}

uint32_t AssignmentModel::lane_for(const Record& record, bool joins) {
  uint32_t number = 0;
  const Order order = rules_.options.order;
  if (order == Order::kPartition) {
    number = static_cast<uint32_t>(rules_.keys);
  } else if (order == Order::kKey && record.key != kNullKey) {
    number = static_cast<uint32_t>(record.key);
    lanes_[number].key = record.key;
  } else if (!free_lanes_.empty()) {
    number = free_lanes_.back();
    free_lanes_.pop_back();
  } else {
    number = static_cast<uint32_t>(lanes_.size());
    lanes_.emplace_back();
  }
  Lane& lane = lanes_[number];
  if (lane.messages++ == 0) {
    lane.own = !joins && !common();
    if (lane.own) ++own_lanes_;
  }
  if (!lane.own) ++common_messages_;
  return number;
}

// One more of its messages is with an engine, or one less.
void AssignmentModel::enter(Lane& lane) {
  ++in_flight_;
  if (!lane.own) ++common_in_flight_;
  if (lane.in_flight++ == 0 && lane.own) ++executing_own_lanes_;
}

void AssignmentModel::exit(Lane& lane) {
  --in_flight_;
  if (!lane.own) --common_in_flight_;
  if (--lane.in_flight == 0 && lane.own) --executing_own_lanes_;
}

// The message is with nobody any more.
void AssignmentModel::leave(Pending& message) {
  if (message.lease == 0) return;
  message.lease = 0;
  message.run = 0;
  Lane& lane = lanes_[message.lane];
  if (!message.withheld) return exit(lane);
  message.withheld = false;
  --withheld_;
  --lane.withheld;
}

void AssignmentModel::remove_from_lane(uint32_t number) {
  Lane& lane = lanes_[number];
  if (!lane.own) --common_messages_;
  if (--lane.messages != 0) return;
  if (lane.own) --own_lanes_;
  if (lane.closed) --closed_lanes_;
  if (lane.blocked) --blocked_lanes_;
  lane = Lane{};
  if (number > rules_.keys) free_lanes_.push_back(number);
}

// The delay of a retry begins to count when nothing of the lane is out any more.
void AssignmentModel::end_lease(uint32_t number) {
  Lane& lane = lanes_[number];
  if (lane.in_flight == 0 && lane.withheld == 0 && lane.messages != 0) open(lane);
}

// Nothing of the lane is out: it may start now, or later, or never.
void AssignmentModel::open(Lane& lane) {
  const DispatcherOptions& options = rules_.options;
  if (lane.blocks) {
    lane.blocked = true;
    ++blocked_lanes_;
    return;
  }
  int64_t due_ms = lane.retry ? lane.due_ms : -1;
  lane.retry = false;
  if (!options.poison_is_taken) due_ms = std::max(due_ms, breaker_->open_until(lane.key, rules_.told_ms));
  if (due_ms >= 0) return close_until(lane, due_ms);
  if (options.linger_ms == 0 || lane.messages >= options.max_run_length) return;
  lane.lingers = true;
  close_until(lane, rules_.told_ms + options.linger_ms);
}

void AssignmentModel::close_until(Lane& lane, int64_t due_ms) {
  lane.closed = true;
  lane.due_ms = due_ms;
  ++closed_lanes_;
}

// The log went back: what was known from `to` on is void.
void AssignmentModel::rewind(Offset to) {
  end_ = -1;
  // All of it below the position was delivered.
  recovered_.reset();
  std::vector<uint32_t> without_letter;
  while (!pending_.empty() && pending_.back().record.offset >= to) {
    Pending& message = pending_.back();
    bytes_ -= message.size;
    const uint32_t number = message.lane;
    const bool was_withheld = message.withheld;
    leave(message);
    pending_.pop_back();
    remove_from_lane(number);
    if (was_withheld && lanes_[number].withheld == 0) without_letter.push_back(number);
  }
  for (const uint32_t number : without_letter) end_lease(number);
  position_ = to;
  highest_ = to - 1;
  for (auto at = pending_.rbegin(); at != pending_.rend() && at->record.offset == highest_; ++at) --highest_;
}

std::vector<Pending>::iterator AssignmentModel::find(Offset offset) {
  const auto found = std::lower_bound(pending_.begin(), pending_.end(), offset,
                                      [](const Pending& message, Offset at) { return message.record.offset < at; });
  return found != pending_.end() && found->record.offset == offset ? found : pending_.end();
}

}  // namespace laneway::simulation
