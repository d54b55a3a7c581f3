// What a broker keeps: logs with holes, and one committed offset with its metadata per partition. Everything that can
// make offsets surprising happens here: compaction, transaction markers, late log starts, truncation.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/gap_map.h"
#include "test/simulation/random.h"

namespace laneway::simulation {

struct Record {
  Offset offset;
  std::optional<std::string> key;
  std::string value;
  // Settled in any life of any consumer.
  bool ever_settled = false;
};

struct Log {
  std::vector<Record> records;  // ascending offsets
  Offset start = 0;
  Offset end = 0;  // may lie above the last record: a transaction marker at the tail
  Offset committed = -1;
  std::string metadata;

  void append(Random& random, const std::vector<std::optional<std::string>>& keys) {
    const int kind = static_cast<int>(random.below(20));
    if (kind == 0) end += 1;                      // a marker
    if (kind == 1) end += random.between(1, 90);  // compacted away
    std::string value(random.below(60), static_cast<char>('a' + random.below(26)));
    records.push_back({end, keys[random.below(keys.size())], std::move(value)});
    ++end;
    if (kind == 2) ++end;  // a marker at the tail
  }

  // Loses everything from `to` on.
  void truncate(Offset to) {
    while (!records.empty() && records.back().offset >= to) records.pop_back();
    end = to;
  }

  // The first record at or after `offset`; nullptr at the end.
  Record* next(Offset offset) {
    size_t low = 0;
    size_t high = records.size();
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (records[middle].offset < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < records.size() ? &records[low] : nullptr;
  }
  Record* at(Offset offset) {
    Record* record = next(offset);
    return record != nullptr && record->offset == offset ? record : nullptr;
  }
};

}  // namespace laneway::simulation
