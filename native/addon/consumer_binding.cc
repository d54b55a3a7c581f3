// See consumer_binding.h.
#include "addon/consumer_binding.h"

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "addon/async.h"
#include "addon/convert.h"
#include "addon/environment_end.h"
#include "addon/living_consumers.h"
#include "addon/taker_binding.h"

namespace laneway {

namespace {

// What crosses to the JavaScript thread. Freed also where the environment ends first: then there is no environment.
using Crossing = std::function<void(Napi::Env, Napi::Function)>;

void cross(Napi::Env env, Napi::Function on_event, std::nullptr_t*, Crossing* data) {
  const std::unique_ptr<Crossing> owned(data);
  if (env != nullptr) (*owned)(env, on_event);
}

using EventFunction = Napi::TypedThreadSafeFunction<std::nullptr_t, Crossing, cross>;

}  // namespace

// What outlives the JavaScript object: the consumer, and, from open() to the end of finish() or of the environment, the
// thread-safe function its events go through.
class ConsumerHandle {
 public:
  ConsumerHandle(Napi::Env env, const ConsumerOptions& options);

  const std::shared_ptr<Consumer>& consumer() const { return consumer_; }
  uint64_t token() const { return token_; }
  // Lets events through, and keeps the event loop alive from here to finish().
  void open(Napi::Env env, Napi::Function on_event);
  // After the consumer was closed: no event follows. `then` runs on the JavaScript thread when all have been told.
  void finish(std::function<void()> then);
  // The environment ends, or nobody can ask for the consumer any more: nothing may be called from here on.
  void abandon();

 private:
  void emit(const ConsumerEvent& event);
  bool send(Crossing crossing);
  void release();

  std::atomic<bool> ended_ = false;
  EventFunction events_;
  std::unique_ptr<EnvironmentEnd> environment_end_;  // while events_ is open
  std::shared_ptr<Consumer> consumer_;
  uint64_t token_ = 0;
};

namespace {

Napi::Object to_js(Napi::Env env, const TopicPartition& at) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("topic", at.topic);
  object.Set("partition", at.partition);
  return object;
}

const char* to_text(SeenFormat format) {
  switch (format) {
    case SeenFormat::kNone:
      return "none";
    case SeenFormat::kLaneway:
      return "laneway";
    case SeenFormat::kConfluent:
      return "confluent";
    case SeenFormat::kForeign:
      return "foreign";
  }
  return "foreign";
}

// RawStandingMessage.state.
const char* to_text(LaneState state) {
  switch (state) {
    case LaneState::kExecuting:
      return "executing";
    case LaneState::kWaiting:
      return "waiting";
    case LaneState::kClosed:
      return "dead-lettering";
    case LaneState::kBlocked:
      return "blocked";
    case LaneState::kHeld:
      return "held";
    case LaneState::kReady:
    case LaneState::kFree:
      return "ready";
  }
  return "ready";
}

template <typename Range, typename Convert>
Napi::Array to_array(Napi::Env env, const Range& range, Convert convert) {
  Napi::Array array = Napi::Array::New(env, range.size());
  uint32_t index = 0;
  for (const auto& each : range) array.Set(index++, convert(each));
  return array;
}

// One overload for each event: its JavaScript form (RawEvent in ts/native.ts).
struct EventToJs {
  Napi::Env env;

  Napi::Object made(const char* kind) const {
    Napi::Object object = Napi::Object::New(env);
    object.Set("kind", kind);
    return object;
  }

  Napi::Object operator()(const AssignedEvent& event) const {
    Napi::Object object = made("assigned");
    object.Set("partitions", to_array(env, event.partitions, [&](const AssignedPartition& partition) {
                 Napi::Object each = to_js(env, partition.at);
                 each.Set("epoch", static_cast<double>(partition.epoch));
                 each.Set("committed", static_cast<double>(partition.committed));
                 each.Set("format", to_text(partition.format));
                 each.Set("settledAbove", static_cast<double>(partition.settled_above));
                 return each;
               }));
    return object;
  }

  Napi::Object operator()(const RevokedEvent& event) const {
    Napi::Object object = made("revoked");
    object.Set("lost", event.lost);
    object.Set("partitions", to_array(env, event.partitions, [&](const TopicPartition& at) { return to_js(env, at); }));
    return object;
  }

  Napi::Object operator()(const CommittedEvent& event) const {
    Napi::Object object = made("committed");
    object.Set("partitions", to_array(env, event.partitions, [&](const std::pair<TopicPartition, Offset>& partition) {
                 Napi::Object each = to_js(env, partition.first);
                 each.Set("offset", static_cast<double>(partition.second));
                 return each;
               }));
    return object;
  }

  Napi::Object operator()(const FailureEvent& event) const {
    Napi::Object object = made(event.failure.fatal ? "fatal" : "warning");
    set_failure(object, event.failure);
    return object;
  }

  Napi::Object operator()(const LogEvent& event) const {
    Napi::Object object = made("log");
    object.Set("level", event.level);
    object.Set("facility", event.facility);
    object.Set("message", event.message);
    return object;
  }

  Napi::Object operator()(const StatisticsEvent& event) const {
    Napi::Object object = made("statistics");
    object.Set("json", event.json);
    return object;
  }
};

template <typename Enum>
Enum choose(Napi::Env env, const std::string& name, const std::string& value,
            std::initializer_list<std::pair<const char*, Enum>> choices) {
  for (const auto& [text, choice] : choices) {
    if (value == text) return choice;
  }
  throw Napi::TypeError::New(env, "laneway: " + name + " cannot be '" + value + "'");
}

double number(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::Number>().DoubleValue();
}

std::string text(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::String>().Utf8Value();
}

std::optional<Properties> maybe_properties(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (!value.IsObject()) return std::nullopt;
  return to_properties(value.As<Napi::Object>());
}

ConsumerOptions to_options(const Napi::Object& from) {
  const Napi::Env env = from.Env();
  ConsumerOptions options;
  options.properties = to_properties(from.Get("properties").As<Napi::Object>());
  const auto topics = from.Get("topics").As<Napi::Array>();
  for (uint32_t i = 0; i < topics.Length(); ++i) {
    options.topics.push_back(topics.Get(i).As<Napi::String>().Utf8Value());
  }
  options.dispatcher.order =
      choose<Order>(env, "order", text(from, "order"),
                    {{"key", Order::kKey}, {"partition", Order::kPartition}, {"none", Order::kNone}});
  options.dispatcher.concurrency = static_cast<uint32_t>(number(from, "concurrency"));
  options.dispatcher.max_buffered_messages = static_cast<size_t>(number(from, "maxBufferedMessages"));
  options.dispatcher.max_buffered_bytes = static_cast<size_t>(number(from, "maxBufferedBytes"));
  options.dispatcher.max_run_length = static_cast<uint32_t>(number(from, "maxRunLength"));
  options.commit_interval_ms = static_cast<int64_t>(number(from, "commitIntervalMs"));
  options.rebalance_timeout_ms = static_cast<int64_t>(number(from, "rebalanceTimeoutMs"));
  options.metadata_format = choose<MetadataFormat>(env, "metadataFormat", text(from, "metadataFormat"),
                                                   {{"laneway", MetadataFormat::kLaneway},
                                                    {"confluent", MetadataFormat::kConfluent},
                                                    {"none", MetadataFormat::kNone}});
  options.metadata_carrier = choose<Carrier>(env, "metadataCarrier", text(from, "metadataCarrier"),
                                             {{"base32768", Carrier::kBase32768}, {"base64", Carrier::kBase64}});
  options.metadata_max_units = static_cast<size_t>(number(from, "metadataMaxUnits"));
  options.wait_for_topics = from.Get("waitForTopics").As<Napi::Boolean>().Value();
  options.dispatcher.max_run_bytes = static_cast<size_t>(number(from, "maxRunBytes"));
  options.dispatcher.whole_runs = from.Get("wholeRuns").As<Napi::Boolean>().Value();
  options.dispatcher.linger_ms = static_cast<int64_t>(number(from, "lingerMs"));
  options.dispatcher.poison_after = static_cast<uint32_t>(number(from, "poisonAfter"));
  options.dispatcher.poison_cool_down_ms = static_cast<int64_t>(number(from, "poisonCoolDownMs"));
  options.dispatcher.poison_is_taken = from.Get("poisonIsTaken").As<Napi::Boolean>().Value();
  options.dispatcher.max_output_bytes = static_cast<size_t>(number(from, "maxOutputBytes"));
  options.dead_letters = maybe_properties(from, "deadLetters");
  options.transactions = maybe_properties(from, "transactions");
  return options;
}

Napi::Object to_js(Napi::Env env, const ConsumerPartitionStats& partition) {
  const PartitionStats& stats = partition.dispatcher;
  Napi::Object object = to_js(env, partition.at);
  object.Set("epoch", static_cast<double>(stats.epoch));
  object.Set("committable", static_cast<double>(stats.committable));
  object.Set("committed", static_cast<double>(partition.committed));
  object.Set("highestSettled", static_cast<double>(stats.highest_settled));
  object.Set("position", static_cast<double>(stats.position));
  object.Set("logEnd", static_cast<double>(partition.log_end));
  object.Set("gaps", static_cast<double>(stats.gaps));
  object.Set("bufferedMessages", static_cast<double>(stats.buffered_messages));
  object.Set("bufferedBytes", static_cast<double>(stats.buffered_bytes));
  object.Set("inFlight", static_cast<double>(stats.in_flight));
  object.Set("paused", stats.paused);
  object.Set("metadataFull", stats.metadata_full);
  object.Set("metadataFullMs", static_cast<double>(stats.metadata_full_ms));
  object.Set("commonLane", stats.common_lane);
  object.Set("commitAgeMs", static_cast<double>(partition.commit_age_ms));
  object.Set("commitError", partition.commit_error);
  return object;
}

}  // namespace

ConsumerHandle::ConsumerHandle(Napi::Env env, const ConsumerOptions& options) {
  auto made = Consumer::create(options, [this](const ConsumerEvent& event) { emit(event); });
  if (const auto* failure = std::get_if<KafkaFailure>(&made)) throw_failure(env, *failure);
  consumer_ = std::move(std::get<std::unique_ptr<Consumer>>(made));
  token_ = living_consumers::add(consumer_);
}

void ConsumerHandle::open(Napi::Env env, Napi::Function on_event) {
  events_ = EventFunction::New(env, on_event, "laneway.onEvent", 0, 1);
  environment_end_ = std::make_unique<EnvironmentEnd>(env, [this] { abandon(); });
}

void ConsumerHandle::finish(std::function<void()> then) {
  living_consumers::remove(token_);
  if (!environment_end_) return then();
  ended_ = true;
  send([then = std::move(then)](Napi::Env, Napi::Function) { then(); });
  release();
}

void ConsumerHandle::abandon() {
  ended_ = true;
  living_consumers::remove(token_);
  consumer_->close();
  release();
}

void ConsumerHandle::emit(const ConsumerEvent& event) {
  if (ended_) return;
  send([event](Napi::Env env, Napi::Function on_event) { on_event.Call({std::visit(EventToJs{env}, event)}); });
}

bool ConsumerHandle::send(Crossing crossing) {
  auto owned = std::make_unique<Crossing>(std::move(crossing));
  if (events_.NonBlockingCall(owned.get()) != napi_ok) return false;
  (void)owned.release();
  return true;
}

void ConsumerHandle::release() {
  if (!environment_end_) return;
  environment_end_.reset();
  events_.Release();
}

Napi::Function ConsumerBinding::define(Napi::Env env) {
  return DefineClass(env, "Consumer",
                     {
                         InstanceMethod<&ConsumerBinding::start>("start"),
                         InstanceMethod<&ConsumerBinding::attach>("attach"),
                         InstanceAccessor<&ConsumerBinding::token>("token"),
                         InstanceMethod<&ConsumerBinding::abandon>("abandon"),
                         InstanceMethod<&ConsumerBinding::partition>("partition"),
                         InstanceMethod<&ConsumerBinding::stats>("stats"),
                         InstanceMethod<&ConsumerBinding::standing>("standing"),
                         InstanceMethod<&ConsumerBinding::stop_taking>("stopTaking"),
                         InstanceMethod<&ConsumerBinding::drained>("drained"),
                         InstanceMethod<&ConsumerBinding::close>("close"),
                     });
}

ConsumerBinding::ConsumerBinding(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ConsumerBinding>(info) {
  const auto options = info[0].As<Napi::Object>();
  handle_ = std::make_shared<ConsumerHandle>(info.Env(), to_options(options));
}

ConsumerBinding::~ConsumerBinding() {
  if (handle_) handle_->abandon();
}

Napi::Value ConsumerBinding::start(const Napi::CallbackInfo& info) {
  handle_->open(info.Env(), info[0].As<Napi::Function>());
  // Not collected while it runs.
  Ref();
  started_ = true;
  if (const auto failure = handle_->consumer()->start()) throw_failure(info.Env(), *failure);
  return info.Env().Undefined();
}

Napi::Value ConsumerBinding::attach(const Napi::CallbackInfo& info) {
  return make_taker(info.Env(), handle_->consumer(), info[0].As<Napi::Function>(), 0);
}

Napi::Value ConsumerBinding::token(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(handle_->token()));
}

Napi::Value ConsumerBinding::abandon(const Napi::CallbackInfo& info) {
  handle_->consumer()->abandon(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  return info.Env().Undefined();
}

Napi::Value ConsumerBinding::partition(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), handle_->consumer()->at(info[0].As<Napi::Number>().Uint32Value()));
}

Napi::Value ConsumerBinding::stats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ConsumerStats stats = handle_->consumer()->stats();
  Napi::Object object = Napi::Object::New(env);
  const std::pair<const char*, double> counts[] = {
      {"lanes", static_cast<double>(stats.dispatcher.lanes)},
      {"executingLanes", static_cast<double>(stats.dispatcher.executing_lanes)},
      {"waitingLanes", static_cast<double>(stats.dispatcher.waiting_lanes)},
      {"bufferedMessages", static_cast<double>(stats.dispatcher.buffered_messages)},
      {"bufferedBytes", static_cast<double>(stats.dispatcher.buffered_bytes)},
      {"slabBytes", static_cast<double>(stats.dispatcher.slab_bytes)},
      {"inFlight", static_cast<double>(stats.dispatcher.in_flight)},
      {"delivered", static_cast<double>(stats.dispatcher.delivered)},
      {"settled", static_cast<double>(stats.dispatcher.settled)},
      {"retried", static_cast<double>(stats.dispatcher.retried)},
      {"staleSettlements", static_cast<double>(stats.dispatcher.stale_settlements)},
      {"skippedSettled", static_cast<double>(stats.dispatcher.skipped_settled)},
      {"holes", static_cast<double>(stats.dispatcher.holes)},
      {"commits", static_cast<double>(stats.commits)},
      {"commitFailures", static_cast<double>(stats.commit_failures)},
      {"metadataFallbacks", static_cast<double>(stats.metadata_fallbacks)},
      {"malformedHeaders", static_cast<double>(stats.malformed_headers)},
      {"blockedLanes", static_cast<double>(stats.dispatcher.blocked_lanes)},
      {"failingKeys", static_cast<double>(stats.dispatcher.failing_keys)},
      {"poisonings", static_cast<double>(stats.dispatcher.poisonings)},
      {"outputBytes", static_cast<double>(stats.dispatcher.output_bytes)},
      {"transactions", static_cast<double>(stats.transactions)},
      {"abortedTransactions", static_cast<double>(stats.aborted_transactions)},
      {"pollAgeMs", static_cast<double>(stats.poll_age_ms)},
  };
  for (const auto& [name, count] : counts) object.Set(name, count);
  Napi::Object letters = Napi::Object::New(env);
  letters.Set("pending", static_cast<double>(stats.dead_letters.pending));
  letters.Set("delivered", static_cast<double>(stats.dead_letters.delivered));
  letters.Set("failures", static_cast<double>(stats.dead_letters.failures));
  letters.Set("failingForMs", static_cast<double>(stats.dead_letters.failing_since_ms));
  letters.Set("lastFailure", stats.dead_letters.last_failure);
  object.Set("deadLetters", letters);
  object.Set("partitions", to_array(env, stats.partitions,
                                    [&](const ConsumerPartitionStats& partition) { return to_js(env, partition); }));
  return object;
}

Napi::Value ConsumerBinding::standing(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto& consumer = handle_->consumer();
  const Standing standing = consumer->standing(info[0].As<Napi::Number>().Uint32Value());
  const auto convert = [&](const StandingMessage& message) {
    Napi::Object each = to_js(env, consumer->at(message.partition));
    each.Set("offset", static_cast<double>(message.offset));
    each.Set("key", message.key
                        ? Napi::Buffer<char>::Copy(env, message.key->data(), message.key->size()).As<Napi::Value>()
                        : env.Null());
    each.Set("attempt", message.attempt);
    each.Set("state", to_text(message.state));
    each.Set("ageMs", static_cast<double>(message.age_ms));
    each.Set("failingForMs", static_cast<double>(message.failed_since_ms));
    return each;
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("blocking", to_array(env, standing.blocking, convert));
  object.Set("oldest", to_array(env, standing.oldest, convert));
  return object;
}

Napi::Value ConsumerBinding::stop_taking(const Napi::CallbackInfo& info) {
  handle_->consumer()->stop_taking();
  return info.Env().Undefined();
}

Napi::Value ConsumerBinding::drained(const Napi::CallbackInfo& info) {
  const auto deadline_ms = static_cast<int64_t>(info[0].As<Napi::Number>().DoubleValue());
  return run_async<bool>(
      info.Env(), [consumer = handle_->consumer(), deadline_ms] { return consumer->wait_drained(deadline_ms); },
      [](Napi::Env env, bool& drained) -> Napi::Value { return Napi::Boolean::New(env, drained); });
}

Napi::Value ConsumerBinding::close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  // Nor while it closes.
  Ref();
  run_async<bool>(
      env,
      [consumer = handle_->consumer()] {
        consumer->close();
        return true;
      },
      [this, deferred](Napi::Env, bool&) -> Napi::Value {
        handle_->finish([deferred] { deferred.Resolve(deferred.Env().Undefined()); });
        if (std::exchange(started_, false)) Unref();
        Unref();
        return deferred.Env().Undefined();
      });
  return deferred.Promise();
}

Napi::Value attach_to_binding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto consumer = living_consumers::find(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  if (consumer == nullptr) {
    throw_failure(env, {.code = "CONSUMER_CLOSED", .message = "the consumer of this token is closed"});
  }
  const auto ward = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
  Napi::Object attachment = Napi::Object::New(env);
  attachment.Set("taker", make_taker(env, consumer, info[2].As<Napi::Function>(), ward));
  attachment.Set("partition", Napi::Function::New(env, [consumer](const Napi::CallbackInfo& call) {
                   return to_js(call.Env(), consumer->at(call[0].As<Napi::Number>().Uint32Value()));
                 }));
  return attachment;
}

}  // namespace laneway
