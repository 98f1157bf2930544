/* tree: an ordered set of slab elements that can count: a treap whose priorities are a hash of the
 * element's number (Seidel and Aragon, "Randomized search trees", 1996). Each node knows its rank in its
 * own subtree, which is what makes places and ranks cost one way down. An element embeds one struct
 * tree_node for each tree that it can be in: 12 bytes, no allocation. Insert, remove, rank and select are
 * O(log n) and touch only the nodes on the way. Loop's thread only. */
#pragma once
#include "daemon/slab.h"
#include <stdbool.h>

struct tree_node {
	uint32_t left, right;
	uint32_t rank; /* 1 + the size of the left subtree */
};

/* What all trees of one order over one slab share. */
struct tree_kind {
	const struct slab *slab;
	size_t node_at;
	uint32_t seed; /* of the priorities. Random in the daemon: nobody outside can aim for a deep tree */
	/* <0: a before b. Never 0 for two elements. */
	int (*compare)(const struct tree_kind *kind, uint32_t a, uint32_t b);
	/* where the element stands to a key: <0 the element is before it */
	int (*compare_key)(const struct tree_kind *kind, uint32_t element, const void *key);
};

static inline struct tree_node *tree_node(const struct tree_kind *k, uint32_t element)
{
	return (struct tree_node *)((char *)slab_at(k->slab, element) + k->node_at);
}

/* A tree is its root: uint32_t, 0 when empty. */
void tree_insert(const struct tree_kind *k, uint32_t *root, uint32_t element);
/* The element comes behind all that are in the tree: compares nothing, and goes down the right edge only, which
 * is short and stays in the cache. */
void tree_append(const struct tree_kind *k, uint32_t *root, uint32_t element);
/* It must be in the tree, its key unchanged since. */
void tree_remove(const struct tree_kind *k, uint32_t *root, uint32_t element);
/* The element has the key that it was, or would be, inserted with. */
bool tree_has(const struct tree_kind *k, uint32_t root, uint32_t element);
/* O(log n) too: the right edge is added up. */
uint32_t tree_size(const struct tree_kind *k, uint32_t root);
uint32_t tree_at(const struct tree_kind *k, uint32_t root, uint32_t place); /* 0-based */
/* How many elements are before the key. */
uint32_t tree_before(const struct tree_kind *k, uint32_t root, const void *key);

/* Memory, not comparing, is what a large tree costs: each step down waits for one cache line. So where
 * several ways lead down, these go them all together, a level at a time, and the waits overlap. */

/* tree_before in many trees of one kind. */
enum { TREE_TOGETHER = 16 };
void tree_before_each(const struct tree_kind *k, const uint32_t roots[], unsigned count, const void *key,
                      uint32_t before[]);

/* Goes elements' ways down several trees; nothing comes of it but that the nodes are in the cache. Worth it
 * before elements are inserted into or removed from many large trees. */
struct tree_way {
	const struct tree_kind *kind;
	uint32_t root, element; /* root is used up */
};
void tree_approach(struct tree_way ways[], unsigned count);

/* Walking forwards from a place: O(log n) to start, O(1) amortised a step. The stack is a ring: a tree
 * whose left turns are deeper (none of 2^32 elements is, in practice) makes the walk forget the oldest and
 * find them again from the place. */
enum { TREE_WALK_DEPTH = 32 };
struct tree_walk {
	const struct tree_kind *kind;
	uint32_t root, place;
	uint32_t top, held; /* next slot (mod TREE_WALK_DEPTH), slots in use */
	bool forgot;
	uint32_t stack[TREE_WALK_DEPTH];
};
void tree_walk_from(struct tree_walk *w, const struct tree_kind *k, uint32_t root, uint32_t place);
uint32_t tree_walk_next(struct tree_walk *w); /* 0: the end */
