package main

import "fmt"

// didYouMean quotes what was written and, where one of names is near, proposes it.
func didYouMean(wrong string, names []string, prefix string) string {
	best, distance := "", 1+max(2, len(wrong)/3)
	for _, name := range names {
		if d := editDistance(wrong, name); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return fmt.Sprintf(" %s%s; see conformance-run help", prefix, wrong)
	}
	return fmt.Sprintf(" %s%s; did you mean %s%s?", prefix, wrong, prefix, best)
}

// editDistance counts the bytes to insert, remove or replace to make a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
