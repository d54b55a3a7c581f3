// Of the simulated world: dead letters, the topic that takes them, and what handlers produce. See world.h.
#include <memory>
#include <string_view>

#include "test/simulation/promise.h"
#include "test/simulation/world.h"

namespace laneway::simulation {

// The message failed for good. With transactions its letter is an output; otherwise the writer has it from here on.
void World::withhold(const Held& held) {
  Assignment* assignment = assigned_[held.partition] ? &*assigned_[held.partition] : nullptr;
  Pending* message = assignment == nullptr ? nullptr : assignment->model.leased(held.offset, held.lease);
  told_ms_ = now_ms_;
  if (dispatcher_->withhold(held.lease, held.slot, now_ms_) != (message != nullptr)) {
    broken("P4", "offset %lld is %swithheld", number(held.offset), message == nullptr ? "" : "not ");
  }
  if (message == nullptr) {
    ++stale_count_;
    return cover(Event::kZombieSettlement);
  }
  cover(Event::kWithheld);
  outputs_.erase(held.lease);
  if (Record* record = logs_[held.partition].find(message->record)) record->awaits_letter = true;
  assignment->model.withhold(*message);
  if (!is_transactional_) {
    letters_.push_back({held, now_ms_});
    return;
  }
  if (read_letter(held)) hold_output(held, 30);
  settle_withheld(held, Outcome::kDeadLettered);
}

// P8: the bytes of a withheld message stay readable and its own for as long as its lease is valid.
bool World::read_letter(const Held& held) {
  const auto& assignment = assigned_[held.partition];
  const Pending* message =
      assignment ? assigned_[held.partition]->model.leased(held.offset, held.lease, true) : nullptr;
  const bool is_read = dispatcher_->read_withheld(held.lease, held.slot, [&](const MessageView& view) {
    if (message == nullptr) broken("P4", "offset %lld is read for a dead letter of a lost lease", number(view.offset));
    const Record& record = message->record;
    const auto text = [](std::span<const std::byte> bytes) {
      return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    const std::string_view expected = traffic_.write(record);
    const size_t value_size = Traffic::value_size(record);
    const bool right = view.offset == record.offset && view.key.has_value() == (record.key != kNullKey) &&
                       (!view.key || text(*view.key) == traffic_.key_of(record)) &&
                       view.value.has_value() == (record.value_size >= 0) &&
                       (!view.value || text(*view.value) == expected.substr(0, value_size)) &&
                       text(view.headers) == expected.substr(value_size);
    if (!right) broken("payload", "the dead letter of offset %lld has other bytes", number(record.offset));
  });
  if (!is_read) ++stale_count_;
  if (!is_read && message != nullptr) broken("P8", "the dead letter of offset %lld is lost", number(held.offset));
  return is_read;
}

void World::settle_withheld(const Held& held, Outcome outcome) {
  told_ms_ = now_ms_;
  dispatcher_->settle_withheld({held.lease, held.slot, 0, outcome}, now_ms_);
  Assignment* assignment = assigned_[held.partition] ? &*assigned_[held.partition] : nullptr;
  Pending* message = assignment == nullptr ? nullptr : assignment->model.leased(held.offset, held.lease, true);
  if (message == nullptr) {
    ++stale_count_;
    return cover(Event::kZombieSettlement);
  }
  if (outcome == Outcome::kDeadLettered) return settled(*assignment, held, *message, outcome);
  if (Record* record = logs_[held.partition].find(message->record)) record->awaits_letter = false;
  assignment->model.return_withheld(*message);
}

// The dead-letter topic: it takes letters, refuses them for a while, or is never heard of again. A letter whose answer
// was lost is sent again.
void World::deliver_letters(bool healthy) {
  std::vector<Letter> letters;
  letters.swap(letters_);
  for (Letter& letter : letters) {
    if (!healthy && (letter.due_ms > now_ms_ || random_.chance(15))) {
      letters_.push_back(letter);
      continue;
    }
    if (letter.is_acknowledged) {
      settle_withheld(letter.held, Outcome::kDeadLettered);
      continue;
    }
    if (!read_letter(letter.held)) {
      cover(Event::kLetterOfLostLease);
      continue;
    }
    const size_t what = healthy ? 99 : random_.below(100);
    if (what < 25) {
      cover(Event::kLetterFailed);
      letter.due_ms = now_ms_ + random_.between(1, 200);
      letters_.push_back(letter);
    } else if (what < 35) {
      cover(Event::kLetterReturned);
      settle_withheld(letter.held, Outcome::kReleased);
    } else if (what < 45) {
      cover(Event::kLetterAnswerLost);
      letters_.push_back(letter);
    } else if (what < 60) {
      cover(Event::kLetterAcknowledged);
      letter.is_acknowledged = true;
      letters_.push_back(letter);
    } else {
      cover(Event::kLetterAcknowledged);
      settle_withheld(letter.held, Outcome::kDeadLettered);
    }
  }
}

bool World::has_output(const Held& held) const { return outputs_.contains(held.lease); }

// One per message: an attempt produces once.
void World::hold_output(const Held& held, size_t size) {
  if (has_output(held)) return;
  const auto& assignment = assigned_[held.partition];
  Pending* message = assignment ? assigned_[held.partition]->model.leased(held.offset, held.lease) : nullptr;
  if (message == nullptr && assignment) {
    message = assigned_[held.partition]->model.leased(held.offset, held.lease, true);
  }
  const Record record = message == nullptr ? Record{} : message->record;
  const bool is_held =
      dispatcher_->hold_output(held.lease, held.slot, std::make_unique<SentOutput>(*this, record, size));
  if (is_held != (message != nullptr)) broken("P4", "an output of offset %lld", number(held.offset));
  if (!is_held) {
    ++stale_count_;
    return cover(Event::kOutputOfLostLease);
  }
  cover(Event::kOutputHeld);
  outputs_.insert(held.lease);
}

}  // namespace laneway::simulation
