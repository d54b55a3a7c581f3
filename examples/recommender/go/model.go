// Item-item co-occurrence: two items are alike where users who took one often took the other (cosine of their counts).

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
)

const recommendations = 5

type model struct {
	Counts   map[string]float64            `json:"counts"`
	Together map[string]map[string]float64 `json:"together"`
}

// recommendation is an item and its score; in JSON a list of the two.
type recommendation struct {
	item  string
	score float64
}

func (r recommendation) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{r.item, r.score})
}

func loadModel(path string) (*model, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("RECOMMENDER_MODEL: %w", err)
	}
	var trained model
	if err := json.Unmarshal(text, &trained); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &trained, nil
}

// recommend scores each item by its likeness to what the user took of late.
func (m *model) recommend(recent []string) []recommendation {
	scores := make(map[string]float64)
	for _, item := range recent {
		for other, together := range m.Together[item] {
			if !slices.Contains(recent, other) {
				scores[other] += together / math.Sqrt(m.Counts[item]*m.Counts[other])
			}
		}
	}
	best := make([]recommendation, 0, len(scores))
	for item, score := range scores {
		best = append(best, recommendation{item, math.Round(score*1e6) / 1e6})
	}
	slices.SortFunc(best, func(a, b recommendation) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.item, b.item))
	})
	return best[:min(len(best), recommendations)]
}
