#include "daemon/tree.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEYS_MAX = 64,   /* of a node */
	LEVELS_MAX = 12, /* a root is divided when it has 65 children, so this takes more than 2^60 insertions */
	WORD = 64,
	HINT = 32,
	SLACK = 2,       /* bits that the common prefix is taken shorter: what comes next mostly differs sooner */
	GAIN = 4,        /* for so many bits more, hints are made anew: each needs its element's key */
};

/* Behind it: hints[room], elements[room]; in an inner node children[room + 1], sizes[room + 1] too.
 *
 * A leaf's elements are its keys. Element i of an inner node is the first one below its child i + 1: always one
 * that is in the tree, so that its key can be read. */
struct tree_node {
	uint16_t count, room;
	uint16_t skip;     /* so many leading bits all keys have in common, or fewer */
	uint16_t level;    /* 0: a leaf */
	uint64_t base[2];  /* of a key, the word in which the common bits end, and the one before: base[1], base[0] */
};

static size_t node_size(unsigned level, unsigned room)
{
	size_t bytes = sizeof(struct tree_node) + (size_t)2 * room * sizeof(uint32_t);

	return level == 0 ? bytes : bytes + (room + 1) * (sizeof(struct tree_node *) + sizeof(uint32_t));
}

static uint32_t *hints(const struct tree_node *n) { return (uint32_t *)(n + 1); }
static uint32_t *elements(const struct tree_node *n) { return hints(n) + n->room; }

/* `room` is even, so what is behind the elements is aligned. */
static struct tree_node **children(const struct tree_node *n)
{
	assert(n->level > 0);
	return (struct tree_node **)(elements(n) + n->room);
}

static uint32_t *sizes(const struct tree_node *n)
{
	return (uint32_t *)(children(n) + n->room + 1);
}

/* What a way down reads of a node comes from memory all at once. */
static void fetch(const struct tree_node *n)
{
	for (size_t at = 0; at < sizeof(*n) + KEYS_MAX * sizeof(uint32_t); at += 64)
		__builtin_prefetch((const char *)n + at);
}

static uint32_t node_total(const struct tree_node *n)
{
	uint32_t total = 0;

	if (n->level == 0)
		return n->count;
	for (unsigned i = 0; i <= n->count; i++)
		total += sizes(n)[i];
	return total;
}

static struct tree_node *node_new(const struct tree_kind *k, unsigned level, unsigned room)
{
	struct tree_node *n = mem_alloc(node_size(level, room));

	*n = (struct tree_node){.room = (uint16_t)room, .level = (uint16_t)level};
	*k->bytes += node_size(level, room);
	return n;
}

static void node_free(const struct tree_kind *k, struct tree_node *n)
{
	*k->bytes -= node_size(n->level, n->room);
	free(n);
}

/* ---- keys */

int tree_compare(const struct tree_kind *k, uint32_t a, uint32_t b)
{
	if (a == b)
		return 0;
	for (unsigned n = 0; n < k->words; n++) {
		uint64_t x = k->word(k, a, n), y = k->word(k, b, n);
		if (x != y)
			return x < y ? -1 : 1;
	}
	assert(false && "two elements with one key");
	return 0;
}

/* What is looked for: an element's key, or one that need not be any element's. Words are read once each, as far
 * as they are needed. */
struct sought {
	const struct tree_kind *kind;
	uint32_t element;
	unsigned known;
	struct tree_key key;
};

static uint64_t sought_word(struct sought *s, unsigned n)
{
	while (s->known <= n) {
		s->key.words[s->known] = s->kind->word(s->kind, s->element, s->known);
		s->known++;
	}
	return s->key.words[n];
}

static void sought_init(struct sought *s, const struct tree_kind *k, uint32_t element)
{
	s->kind = k;
	s->element = element;
	s->known = 0;
}

static int sought_to(struct sought *s, uint32_t element, unsigned from)
{
	for (unsigned n = from; n < s->kind->words; n++) {
		uint64_t x = sought_word(s, n), y = s->kind->word(s->kind, element, n);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

/* HINT bits of two words from bit `at` of the first on. */
static uint32_t bits_at(uint64_t word, uint64_t next, unsigned at)
{
	return (uint32_t)((at == 0 ? word : word << at | next >> (WORD - at)) >> (WORD - HINT));
}

static bool needs_next(unsigned at, unsigned word, unsigned words)
{
	return at > WORD - HINT && word + 1 < words;
}

static uint32_t hint_of(const struct tree_kind *k, uint32_t element, unsigned skip)
{
	unsigned word = skip / WORD, at = skip % WORD;
	uint64_t next = needs_next(at, word, k->words) ? k->word(k, element, word + 1) : 0;

	return bits_at(k->word(k, element, word), next, at);
}

static uint32_t sought_hint(struct sought *s, unsigned skip)
{
	unsigned word = skip / WORD, at = skip % WORD;
	uint64_t next = needs_next(at, word, s->kind->words) ? sought_word(s, word + 1) : 0;

	return bits_at(sought_word(s, word), next, at);
}

/* Does it begin as all keys of the node do, of which `any` is one? Else <0: it is before them all, >0: behind. */
static int sought_to_base(struct sought *s, const struct tree_node *n, uint32_t any)
{
	unsigned word = n->skip / WORD, at = n->skip % WORD;

	for (unsigned i = 0; i + 1 < word; i++) {
		uint64_t x = sought_word(s, i), y = s->kind->word(s->kind, any, i);
		if (x != y)
			return x < y ? -1 : 1;
	}
	if (word > 0 && sought_word(s, word - 1) != n->base[0])
		return sought_word(s, word - 1) < n->base[0] ? -1 : 1;
	if (at == 0)
		return 0;
	uint64_t x = sought_word(s, word) >> (WORD - at), y = n->base[1] >> (WORD - at);
	return (x > y) - (x < y);
}

static unsigned hints_below(const struct tree_node *n, uint32_t hint)
{
	const uint32_t *all = hints(n);
	unsigned below = 0;

	for (unsigned i = 0; i < n->count; i++)
		below += all[i] < hint;
	return below;
}

/* How many of the node's keys are before it; with it those that it has itself. */
static unsigned place_in(const struct tree_node *n, struct sought *s, bool with_equal)
{
	unsigned first = 0, end = 0;

	if (n->count == 0)
		return n->count;
	int beside = sought_to_base(s, n, elements(n)[0]);
	if (beside != 0)
		return beside < 0 ? 0 : n->count;
	uint32_t mine = sought_hint(s, n->skip);
	first = hints_below(n, mine);
	end = first;
	while (end < n->count && hints(n)[end] == mine)
		end++;
	while (first < end) {
		unsigned middle = (first + end) / 2;
		int order = sought_to(s, elements(n)[middle], n->skip / WORD);
		if (order > 0 || (order == 0 && with_equal))
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

/* How many leading bits two keys have in common; a hint is left to stand behind them. */
static unsigned common_bits(const struct tree_kind *k, uint32_t a, uint32_t b)
{
	for (unsigned n = 0; n < k->words; n++) {
		uint64_t difference = k->word(k, a, n) ^ k->word(k, b, n);
		if (difference != 0)
			return n * WORD + (unsigned)__builtin_clzll(difference);
	}
	return 0;
}

static uint16_t skip_behind(unsigned common)
{
	return (uint16_t)(common > SLACK ? common - SLACK : 0);
}

static void set_skip(const struct tree_kind *k, struct tree_node *n, unsigned common)
{
	unsigned word;

	n->skip = skip_behind(common);
	word = n->skip / WORD;
	n->base[0] = word > 0 ? k->word(k, elements(n)[0], word - 1) : 0;
	n->base[1] = k->word(k, elements(n)[0], word);
	for (unsigned i = 0; i < n->count; i++)
		hints(n)[i] = hint_of(k, elements(n)[i], n->skip);
}

/* The keys may have more in common than they had once. */
static void sharpen(const struct tree_kind *k, struct tree_node *n)
{
	if (n->count < 2)
		return;
	unsigned common = common_bits(k, elements(n)[0], elements(n)[n->count - 1]);
	if (common >= (unsigned)(n->skip + SLACK + GAIN))
		set_skip(k, n, common);
}

/* Key i has become this element's, the others are in order around it. */
static void key_set(const struct tree_kind *k, struct tree_node *n, unsigned i, uint32_t element)
{
	struct sought s;

	elements(n)[i] = element;
	sought_init(&s, k, element);
	if (n->count == 1) {
		set_skip(k, n, 0);
	} else if (sought_to_base(&s, n, elements(n)[i == 0 ? 1 : 0]) == 0) {
		hints(n)[i] = sought_hint(&s, n->skip);
	} else {
		set_skip(k, n, common_bits(k, elements(n)[0], elements(n)[n->count - 1]));
	}
}

/* ---- one node */

/* The steps in which a node grows: most trees of rare values are small. */
static unsigned room_for(unsigned keys)
{
	if (keys > KEYS_MAX)
		return KEYS_MAX;
	return keys <= 4 ? 4 : keys <= 8 ? 8 : (keys + 15) / 16 * 16;
}

/* Its content in a node of that room, in its place. */
static struct tree_node *resize(const struct tree_kind *k, struct tree_node **slot, unsigned room)
{
	struct tree_node *old = *slot, *n = node_new(k, old->level, room);

	n->count = old->count;
	n->skip = old->skip;
	memcpy(n->base, old->base, sizeof(n->base));
	memcpy(elements(n), elements(old), old->count * sizeof(uint32_t));
	memcpy(hints(n), hints(old), old->count * sizeof(uint32_t));
	if (n->level > 0) {
		memcpy(children(n), children(old), (old->count + 1u) * sizeof(struct tree_node *));
		memcpy(sizes(n), sizes(old), (old->count + 1u) * sizeof(uint32_t));
	}
	node_free(k, old);
	return *slot = n;
}

static struct tree_node *grow(const struct tree_kind *k, struct tree_node **slot)
{
	struct tree_node *n = *slot;

	if (n->count < n->room)
		return n;
	n = resize(k, slot, room_for(n->count + 1u));
	sharpen(k, n);
	return n;
}

static void shrink(const struct tree_kind *k, struct tree_node **slot)
{
	struct tree_node *n = *slot;

	if (n->room > 4 && n->count + n->count / 2 + 8u < n->room)
		resize(k, slot, room_for(n->count + n->count / 4u));
}

static void key_insert(const struct tree_kind *k, struct tree_node *n, unsigned at, uint32_t element)
{
	memmove(elements(n) + at + 1, elements(n) + at, (n->count - at) * sizeof(uint32_t));
	memmove(hints(n) + at + 1, hints(n) + at, (n->count - at) * sizeof(uint32_t));
	n->count++;
	key_set(k, n, at, element);
}

static void key_remove(struct tree_node *n, unsigned at)
{
	n->count--;
	memmove(elements(n) + at, elements(n) + at + 1, (n->count - at) * sizeof(uint32_t));
	memmove(hints(n) + at, hints(n) + at + 1, (n->count - at) * sizeof(uint32_t));
}

/* ---- insert */

/* Children and sizes from `at` on move by one. `count` is that of the keys, without the one for the new child. */
static void child_insert(struct tree_node *n, unsigned at, struct tree_node *child)
{
	unsigned behind = n->count + 1u - at;

	memmove(children(n) + at + 1, children(n) + at, behind * sizeof(struct tree_node *));
	memmove(sizes(n) + at + 1, sizes(n) + at, behind * sizeof(uint32_t));
	children(n)[at] = child;
	sizes(n)[at] = node_total(child);
}

/* The first `cut` keys (inner nodes: children) stay, the others come into a new node. Of an inner node the key
 * between the two goes: it is *between. */
static struct tree_node *cut_off(const struct tree_kind *k, struct tree_node *n, unsigned cut, uint32_t *between)
{
	unsigned count = n->count - cut;
	struct tree_node *right = node_new(k, n->level, room_for(count + 1u));

	if (n->level > 0)
		*between = elements(n)[cut - 1];
	else if (count > 0)
		*between = elements(n)[cut];
	right->count = (uint16_t)count;
	right->skip = n->skip;
	memcpy(right->base, n->base, sizeof(n->base));
	memcpy(elements(right), elements(n) + cut, count * sizeof(uint32_t));
	memcpy(hints(right), hints(n) + cut, count * sizeof(uint32_t));
	if (n->level > 0) {
		memcpy(children(right), children(n) + cut, (count + 1u) * sizeof(struct tree_node *));
		memcpy(sizes(right), sizes(n) + cut, (count + 1u) * sizeof(uint32_t));
	}
	n->count = (uint16_t)(n->level > 0 ? cut - 1 : cut);
	sharpen(k, n);
	sharpen(k, right);
	return right;
}

/* Where what is full is divided: in the middle, but at an end of the tree, where what comes is mostly followed by
 * more, so that the nodes behind stay full. */
static unsigned cut_of(const struct tree_node *n, unsigned at, bool leftmost, bool rightmost)
{
	if (rightmost && at == n->count)
		return n->count;
	if (leftmost && at == 0)
		return n->level > 0 ? 1 : 0; /* an inner node has a child at least */
	return (n->count + 1u) / 2;
}

/* Makes two of the full child `at` of the node, which has room. */
static void divide(const struct tree_kind *k, struct tree_node *n, unsigned at, unsigned cut, uint32_t element)
{
	uint32_t between = element;
	struct tree_node *left = children(n)[at], *right = cut_off(k, left, cut, &between);

	if (room_for(left->count + 1u) < left->room)
		left = resize(k, &children(n)[at], room_for(left->count + 1u));
	sizes(n)[at] = node_total(left);
	child_insert(n, at + 1, right);
	key_insert(k, n, at, between);
}

static void raise_root(const struct tree_kind *k, struct tree *t)
{
	struct tree_node *top = node_new(k, t->root->level + 1u, 4);

	assert(top->level < LEVELS_MAX);
	children(top)[0] = t->root;
	sizes(top)[0] = node_total(t->root);
	t->root = top;
}

/* The leaf that the element belongs into, with room for it; every node on the way that was full is divided. */
static struct tree_node **leaf_for(const struct tree_kind *k, struct tree *t, struct sought *s)
{
	struct tree_node **slot = &t->root;
	bool leftmost = true, rightmost = true;

	if (t->root->count == KEYS_MAX)
		raise_root(k, t);
	while ((*slot)->level > 0) {
		struct tree_node *n = *slot;
		unsigned at = place_in(n, s, true);
		const struct tree_node *child = children(n)[at];
		fetch(child);
		if (child->count == KEYS_MAX) {
			unsigned below = place_in(child, s, child->level > 0);
			unsigned cut = cut_of(child, below, leftmost && at == 0, rightmost && at == n->count);
			n = grow(k, slot);
			divide(k, n, at, cut, s->element);
			at = place_in(n, s, true);
		}
		leftmost &= at == 0;
		rightmost &= at == n->count;
		sizes(n)[at]++;
		slot = &children(n)[at];
	}
	return slot;
}

void tree_insert(const struct tree_kind *k, struct tree *t, uint32_t element)
{
	struct sought s;

	if (t->count++ == 0) {
		t->only = element;
		return;
	}
	if (t->count == 2) {
		struct tree_node *leaf = node_new(k, 0, room_for(2));
		key_insert(k, leaf, 0, t->only);
		t->root = leaf;
	}
	sought_init(&s, k, element);
	struct tree_node **slot = leaf_for(k, t, &s), *leaf = *slot;
	unsigned at = place_in(leaf, &s, false);
	assert(at == leaf->count || elements(leaf)[at] != element);
	leaf = grow(k, slot);
	key_insert(k, leaf, at, element);
	if (leaf->count == 2)
		sharpen(k, leaf);
}

/* ---- fill */

/* A node, and what its parent says of it. */
struct child {
	struct tree_node *node;
	uint32_t first, total;
};

static uint64_t item_word(const struct tree_kind *k, const struct tree_item *item, unsigned n)
{
	return n < TREE_ITEM_WORDS ? item->words[n] : k->word(k, item->element, n);
}

static unsigned items_in_common(const struct tree_kind *k, const struct tree_item *a, const struct tree_item *b)
{
	for (unsigned n = 0; n < TREE_ITEM_WORDS; n++)
		if (a->words[n] != b->words[n])
			return n * WORD + (unsigned)__builtin_clzll(a->words[n] ^ b->words[n]);
	return common_bits(k, a->element, b->element);
}

static uint32_t item_hint(const struct tree_kind *k, const struct tree_item *item, unsigned skip)
{
	unsigned word = skip / WORD, at = skip % WORD;
	uint64_t next = needs_next(at, word, k->words) ? item_word(k, item, word + 1) : 0;

	return bits_at(item_word(k, item, word), next, at);
}

/* What set_skip does, from the items' own words. */
static struct child leaf_of(const struct tree_kind *k, const struct tree_item *const *sorted, unsigned count)
{
	const struct tree_item *first = sorted[0];
	struct tree_node *n = node_new(k, 0, room_for(count));

	n->count = (uint16_t)count;
	n->skip = skip_behind(count > 1 ? items_in_common(k, first, sorted[count - 1]) : 0);
	n->base[0] = n->skip >= WORD ? item_word(k, first, n->skip / WORD - 1u) : 0;
	n->base[1] = item_word(k, first, n->skip / WORD);
	for (unsigned i = 0; i < count; i++) {
		elements(n)[i] = sorted[i]->element;
		hints(n)[i] = item_hint(k, sorted[i], n->skip);
	}
	return (struct child){n, first->element, count};
}

static struct child parent_of(const struct tree_kind *k, const struct child *below, unsigned count)
{
	struct tree_node *n = node_new(k, below->node->level + 1u, room_for(count - 1));
	struct child made = {n, below->first, 0};

	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			elements(n)[i - 1] = below[i].first;
		children(n)[i] = below[i].node;
		sizes(n)[i] = below[i].total;
		made.total += below[i].total;
	}
	n->count = (uint16_t)(count - 1);
	if (count > 1)
		set_skip(k, n, count > 2 ? common_bits(k, elements(n)[0], elements(n)[count - 2]) : 0);
	return made;
}

static unsigned at_most(size_t left, unsigned most)
{
	return left < most ? (unsigned)left : most;
}

/* Level by level, each in the place of the one below. */
void tree_fill(const struct tree_kind *k, struct tree *t, const struct tree_item *const *sorted, uint32_t count)
{
	enum { CHILDREN_MAX = KEYS_MAX + 1 };

	assert(t->count == 0 && count > 0);
	t->count = count;
	t->only = sorted[0]->element;
	if (count == 1)
		return;
	size_t nodes = 0, above;
	struct child *level = mem_alloc((count / KEYS_MAX + 1) * sizeof(*level));
	for (size_t from = 0; from < count; from += KEYS_MAX)
		level[nodes++] = leaf_of(k, sorted + from, at_most(count - from, KEYS_MAX));
	for (; nodes > 1; nodes = above) {
		above = 0;
		for (size_t from = 0; from < nodes; from += CHILDREN_MAX)
			level[above++] = parent_of(k, level + from, at_most(nodes - from, CHILDREN_MAX));
	}
	t->root = level[0].node;
	free(level);
}

/* ---- remove */

struct way {
	struct tree_node **slot[LEVELS_MAX];
	unsigned at[LEVELS_MAX];
	unsigned depth; /* of the leaf */
};

static void go_down(struct tree *t, struct sought *s, struct way *w)
{
	struct tree_node **slot = &t->root;

	w->depth = 0;
	for (; (*slot)->level > 0; w->depth++) {
		unsigned at = place_in(*slot, s, true);
		w->slot[w->depth] = slot;
		w->at[w->depth] = at;
		sizes(*slot)[at]--;
		slot = &children(*slot)[at];
		fetch(*slot);
	}
	w->slot[w->depth] = slot;
}

/* By its hint and its number: other keys are not read. */
static unsigned index_in(const struct tree_node *leaf, struct sought *s)
{
	unsigned i = hints_below(leaf, sought_hint(s, leaf->skip));

	while (i < leaf->count && elements(leaf)[i] != s->element)
		i++;
	assert(i < leaf->count);
	return i;
}

/* What is below step `depth` of the way begins with another element now. */
static void first_changed(const struct tree_kind *k, const struct way *w, unsigned depth, uint32_t first)
{
	while (depth-- > 0) {
		if (w->at[depth] == 0)
			continue;
		key_set(k, *w->slot[depth], w->at[depth] - 1, first);
		return;
	}
}

static void child_remove(struct tree_node *n, unsigned at)
{
	unsigned behind = n->count - at;

	memmove(children(n) + at, children(n) + at + 1, behind * sizeof(struct tree_node *));
	memmove(sizes(n) + at, sizes(n) + at + 1, behind * sizeof(uint32_t));
}

/* The node at the end of the way has become empty. */
static void drop_empty(const struct tree_kind *k, struct way *w)
{
	unsigned depth = w->depth;

	node_free(k, *w->slot[depth]);
	while (depth-- > 0) {
		struct tree_node *n = *w->slot[depth];
		unsigned at = w->at[depth];
		if (n->count == 0) {
			node_free(k, n);
			continue;
		}
		uint32_t first = elements(n)[0];
		child_remove(n, at);
		key_remove(n, at > 0 ? at - 1 : 0);
		if (at == 0)
			first_changed(k, w, depth, first);
		shrink(k, w->slot[depth]);
		return;
	}
	assert(false && "the last element is no node's");
}

/* A root with one child is none; a tree of one element has no nodes. */
static void lower_root(const struct tree_kind *k, struct tree *t)
{
	while (t->root->level > 0 && (t->root->count == 0 || t->count == 1)) {
		struct tree_node *top = t->root;
		t->root = children(top)[0];
		node_free(k, top);
	}
	if (t->count == 1) {
		struct tree_node *leaf = t->root;
		t->only = elements(leaf)[0];
		node_free(k, leaf);
	}
}

void tree_remove(const struct tree_kind *k, struct tree *t, uint32_t element)
{
	struct sought s;
	struct way w;

	assert(t->count > 0);
	if (--t->count == 0) {
		assert(t->only == element);
		*t = (struct tree){0};
		return;
	}
	sought_init(&s, k, element);
	go_down(t, &s, &w);
	struct tree_node *leaf = *w.slot[w.depth];
	unsigned at = index_in(leaf, &s);
	key_remove(leaf, at);
	if (leaf->count == 0) {
		drop_empty(k, &w);
	} else {
		if (at == 0)
			first_changed(k, &w, w.depth, elements(leaf)[0]);
		shrink(k, w.slot[w.depth]);
	}
	lower_root(k, t);
}

/* As deep as the tree is high. */ /* NOLINTNEXTLINE(misc-no-recursion) */
static void free_below(const struct tree_kind *k, struct tree_node *n)
{
	for (unsigned i = 0; n->level > 0 && i <= n->count; i++)
		free_below(k, children(n)[i]);
	node_free(k, n);
}

void tree_done(const struct tree_kind *k, struct tree *t)
{
	if (t->count > 1)
		free_below(k, t->root);
	*t = (struct tree){0};
}

/* ---- places */

static const struct tree_node *leaf_at(const struct tree *t, uint32_t *place)
{
	const struct tree_node *n = t->root;

	while (n->level > 0) {
		const uint32_t *size = sizes(n);
		unsigned i = 0;
		while (*place >= size[i])
			*place -= size[i++];
		n = children(n)[i];
	}
	return n;
}

uint32_t tree_at(const struct tree *t, uint32_t place)
{
	assert(place < t->count);
	if (t->count == 1)
		return t->only;
	const struct tree_node *leaf = leaf_at(t, &place);
	return elements(leaf)[place];
}

static uint32_t count_before(const struct tree *t, struct sought *s)
{
	uint32_t before = 0;

	if (t->count < 2)
		return t->count == 1 && sought_to(s, t->only, 0) > 0;
	const struct tree_node *n = t->root;
	while (n->level > 0) {
		unsigned at = place_in(n, s, false);
		for (unsigned i = 0; i < at; i++)
			before += sizes(n)[i];
		n = children(n)[at];
		fetch(n);
	}
	return before + place_in(n, s, false);
}

uint32_t tree_before(const struct tree_kind *k, const struct tree *t, const struct tree_key *key)
{
	struct sought s = {.kind = k, .known = k->words, .key = *key};

	return count_before(t, &s);
}

uint32_t tree_before_element(const struct tree_kind *k, const struct tree *t, uint32_t element)
{
	struct sought s;

	sought_init(&s, k, element);
	return count_before(t, &s);
}

void tree_walk_from(struct tree_walk *w, const struct tree *t, uint32_t place)
{
	*w = (struct tree_walk){.tree = t, .place = place};
}

uint32_t tree_walk_next(struct tree_walk *w)
{
	if (w->next == w->end) {
		if (w->place >= w->tree->count)
			return 0;
		if (w->tree->count == 1) {
			w->next = &w->tree->only;
			w->end = w->next + 1;
		} else {
			uint32_t place = w->place;
			const struct tree_node *leaf = leaf_at(w->tree, &place);
			w->next = elements(leaf) + place;
			w->end = elements(leaf) + leaf->count;
		}
	}
	w->place++;
	return *w->next++;
}
