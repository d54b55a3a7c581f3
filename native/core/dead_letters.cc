// Messages that wait for the acknowledgement of their dead letter, and what handlers produced: both are kept until
// their message is settled. See dispatcher.h.
#include <algorithm>
#include <utility>

#include "core/dispatcher.h"

namespace laneway {

// --- Dead letters ----------------------------------------------------------------------------------------------------

bool Dispatcher::withhold(uint64_t lease, uint32_t slot, int64_t now_ms) {
  const Lock lock(mutex_);
  tell_time(now_ms);
  Message* message = find_lease(lease, slot, MessageState::kLeased);
  if (message == nullptr) return false;
  give_back_rest_of_run(slot);
  const uint32_t number = message->lane;
  Lane& lane = lanes_.at(number);
  fail(slot);
  if (!held_outputs_.empty()) drop_held_outputs(lease);
  message->state = MessageState::kWithheld;
  --lane.leased;
  ++lane.withheld;
  ++withheld_;
  if (message->next != kNil) give_back(message->next);
  end_lease_if_done(number);
  ring();
  return true;
}

bool Dispatcher::read_withheld(uint64_t lease, uint32_t slot, const std::function<void(const MessageView&)>& read) {
  MessageView view{};
  {
    Lock lock(mutex_);
    while (exclusive_.load(std::memory_order_relaxed)) copies_changed_.wait(lock);
    const Message* message = find_lease(lease, slot, MessageState::kWithheld);
    if (message == nullptr) return false;
    const std::byte* at = message->data;
    view.offset = message->offset;
    view.timestamp_ms = message->timestamp_ms;
    if (message->key_size >= 0) view.key.emplace(at, static_cast<size_t>(message->key_size));
    if (message->key_size > 0) at += message->key_size;
    if (message->value_size >= 0) view.value.emplace(at, static_cast<size_t>(message->value_size));
    if (message->value_size > 0) at += message->value_size;
    view.headers = {at, message->header_size};
    copying_.fetch_add(1, std::memory_order_relaxed);
  }
  read(view);
  end_copy();
  return true;
}

void Dispatcher::settle_withheld(const Settlement& settlement, int64_t now_ms) {
  const Lock lock(mutex_);
  tell_time(now_ms);
  Message* message = find_lease(settlement.lease, settlement.slot, MessageState::kWithheld);
  if (message == nullptr) return;
  const uint32_t number = message->lane;
  Lane& lane = lanes_.at(number);
  if (settlement.outcome == Outcome::kDeadLettered) {
    complete(settlement.slot, settlement.outcome);
  } else {
    message->state = MessageState::kQueued;
    message->lease = 0;
    --lane.withheld;
    --withheld_;
    ++lane.queued;
    --partitions_[lane.partition].in_flight;
    --in_flight_;
  }
  if (lane.leased == 0) end_lease_if_done(number);
  check_space_after_settling();
  ring();
}

// --- Outputs ---------------------------------------------------------------------------------------------------------

bool Dispatcher::hold_output(uint64_t lease, uint32_t slot, std::unique_ptr<Output> output) {
  const Lock lock(mutex_);
  const bool is_withheld = messages_.contains(slot) && messages_.at(slot).state == MessageState::kWithheld;
  const MessageState state = is_withheld ? MessageState::kWithheld : MessageState::kLeased;
  if (find_lease(lease, slot, state) == nullptr) return false;
  output_bytes_ += output->size();
  held_outputs_[lease].push_back(std::move(output));
  return true;
}

void Dispatcher::forget_outputs(size_t bytes) {
  const Lock lock(mutex_);
  output_bytes_ -= std::min(bytes, output_bytes_);
  ring();
}

bool Dispatcher::outputs_full() const {
  const Lock lock(mutex_);
  return are_outputs_full();
}

void Dispatcher::publish_outputs(Partition& partition, const Message& message) {
  const auto held = held_outputs_.find(message.lease);
  if (held == held_outputs_.end()) return;
  for (auto& output : held->second) partition.outputs.push_back({message.offset, std::move(output)});
  held_outputs_.erase(held);
}

void Dispatcher::drop_held_outputs(uint64_t lease) {
  const auto held = held_outputs_.find(lease);
  if (held == held_outputs_.end()) return;
  for (const auto& output : held->second) uncount(*output);
  held_outputs_.erase(held);
}

void Dispatcher::uncount(const Output& output) { output_bytes_ -= std::min(output.size(), output_bytes_); }

void Dispatcher::drop_published_outputs(Partition& partition) {
  for (const SettledOutput& settled : partition.outputs) uncount(*settled.output);
  partition.outputs.clear();
}

}  // namespace laneway
