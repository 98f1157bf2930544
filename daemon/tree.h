/* tree: an ordered set of numbered elements that can count: a B+tree (Bayer and McCreight 1972, Comer 1979)
 * whose nodes know how many elements are below each child, which is what makes places and ranks cost one way
 * down.
 *
 * An element is ordered by its sort key, a row of 64-bit words, which stays with the element: a node has the
 * elements' numbers and 32 bits of each key, those behind what all keys in the node have in common (the
 * prefix-compressed heads of Graefe and Larson, "B-tree indexes and CPU caches", 2001). So a way down reads
 * a few cache lines of nodes, and of the elements nearly none. 8 bytes an element in full nodes, which is what
 * adding at either end leaves behind; nodes are freed when empty, which costs less than merging them earlier
 * (Johnson and Shasha, "B-trees with inserts and deletes: why free-at-empty is better than merge-at-half", 1993).
 * Insert, remove, rank and select are O(log n). Trees of one kind are for one thread at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct tree_node; /* opaque */

/* All zero: empty. */
struct tree {
	union {
		struct tree_node *root;
		uint32_t only;       /* count 1: no node is needed */
	};
	uint32_t count;
};

/* What all trees of one order share. */
struct tree_kind {
	/* Word n of the element's key, 0 behind its end. Keys are compared word by word as numbers; no two elements of
	 * one tree have the same. It must not change while the element is in a tree. */
	uint64_t (*word)(const struct tree_kind *k, uint32_t element, unsigned n);
	const void *context; /* for `word` */
	unsigned words;      /* of the longest key, at most TREE_KEY_WORDS */
	uint64_t *bytes;     /* memory of all nodes, kept here */
};

enum { TREE_KEY_WORDS = 25 };

/* A place in the order: before all elements whose key is not smaller. */
struct tree_key {
	uint64_t words[TREE_KEY_WORDS];
};

/* An element beside the first words of its key: many at once are ordered without a look at each element. */
enum { TREE_ITEM_WORDS = 3 };
struct tree_item {
	uint64_t words[TREE_ITEM_WORDS];
	uint32_t element, group; /* `group` is the caller's */
};

/* <0: a before b; 0 only of the same element. */
int tree_compare(const struct tree_kind *k, uint32_t a, uint32_t b);

void tree_insert(const struct tree_kind *k, struct tree *t, uint32_t element);
/* At once, into an empty tree: `count` elements (at least 1) in their order, which is not looked at. O(count). */
void tree_fill(const struct tree_kind *k, struct tree *t, const struct tree_item *const *sorted, uint32_t count);
/* It must be in the tree. */
void tree_remove(const struct tree_kind *k, struct tree *t, uint32_t element);
/* Frees the nodes; the elements need not be there any more. */
void tree_done(const struct tree_kind *k, struct tree *t);

uint32_t tree_at(const struct tree *t, uint32_t place); /* 0-based */
/* How many elements are before the key. */
uint32_t tree_before(const struct tree_kind *k, const struct tree *t, const struct tree_key *key);
/* How many are before this one, which may be in another tree of the kind. */
uint32_t tree_before_element(const struct tree_kind *k, const struct tree *t, uint32_t element);

/* Walking forwards from a place: O(log n) each 64 elements. The tree must not change meanwhile. */
struct tree_walk {
	const struct tree *tree;
	uint32_t place;       /* of what comes next */
	const uint32_t *next, *end;
};
void tree_walk_from(struct tree_walk *w, const struct tree *t, uint32_t place);
uint32_t tree_walk_next(struct tree_walk *w); /* 0: the end */
