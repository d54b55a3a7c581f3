// librdkafka's handles, owned, and the metadata of its partitions, which is the caller's to allocate.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>

namespace laneway {

template <auto destroy>
struct Destroy {
  template <typename Handle>
  void operator()(Handle* handle) const {
    destroy(handle);
  }
};

using ConfHandle = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_destroy>>;
using ClientHandle = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;
using ErrorHandle = std::unique_ptr<rd_kafka_error_t, Destroy<rd_kafka_error_destroy>>;
using AdminOptionsHandle = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroy<rd_kafka_topic_partition_list_destroy>>;

inline std::span<rd_kafka_topic_partition_t> elements(const rd_kafka_topic_partition_list_t* list) {
  return {list->elems, static_cast<size_t>(list->cnt)};
}

// librdkafka frees metadata with free().
inline void clear_metadata(rd_kafka_topic_partition_t& partition) {
  std::free(partition.metadata);
  partition.metadata = nullptr;
  partition.metadata_size = 0;
}

inline void set_metadata(rd_kafka_topic_partition_t& partition, const std::string& text) {
  clear_metadata(partition);
  if (text.empty()) return;
  partition.metadata = std::malloc(text.size());
  if (partition.metadata == nullptr) throw std::bad_alloc();
  std::memcpy(partition.metadata, text.data(), text.size());
  partition.metadata_size = text.size();
}

}  // namespace laneway
