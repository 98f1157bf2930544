#include "daemon/tree.h"
#include "daemon/slab.h"
#include "proto/mem.h"
#include "tests/unit/unit.h"
#include <stdlib.h>
#include <string.h>

/* An assertion that costs nothing while it holds: Check's own tell the parent process each time. */
#define HOLDS(condition) do { if (!(condition)) ck_abort_msg("%s", #condition); } while (0)

/* Sorted by key, equal keys by number, which is the last of `words`. All others are alike, so that what makes the
 * difference is as far behind as in ids that begin alike. */
struct thing {
	uint64_t key;
};

static struct slab things;
static struct tree_kind kind;
static unsigned key_at; /* which word is the key */
static uint64_t random_state, bytes;

static struct thing *thing(uint32_t n)
{
	return slab_at(&things, n);
}

static uint64_t word_of(const struct tree_kind *k, uint32_t element, unsigned n)
{
	HOLDS(n < k->words);
	if (n == key_at)
		return thing(element)->key;
	return n + 1 == k->words ? element : UINT64_C(0x6a6f622d30303030);
}

static uint64_t draw(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return random_state >> 33;
}

static unsigned pick(unsigned below)
{
	return (unsigned)draw() % below;
}

static void open_trees(unsigned words, unsigned at)
{
	key_at = at;
	slab_init(&things, sizeof(struct thing));
	kind = (struct tree_kind){.word = word_of, .words = words, .bytes = &bytes};
	random_state = 42;
	bytes = 0;
}

static void set_up(void) { open_trees(2, 0); }

static void tear_down(void)
{
	slab_done(&things);
	ck_assert_uint_eq(bytes, 0);
}

static uint32_t make(uint64_t key)
{
	uint32_t n = slab_take(&things);

	thing(n)->key = key;
	return n;
}

static struct tree_key key_of(uint64_t key)
{
	struct tree_key k = {0};

	for (unsigned n = 0; n < key_at; n++)
		k.words[n] = UINT64_C(0x6a6f622d30303030);
	k.words[key_at] = key;
	return k;
}

/* Places and order are what they should be, however one looks. */
static void check_is(const struct tree *t, const uint32_t *sorted, unsigned count)
{
	struct tree_walk w;

	ck_assert_uint_eq(t->count, count);
	tree_walk_from(&w, t, 0);
	for (unsigned i = 0; i < count; i++) {
		HOLDS(tree_walk_next(&w) == sorted[i]);
		HOLDS(tree_at(t, i) == sorted[i]);
		HOLDS(tree_before_element(&kind, t, sorted[i]) == i);
	}
	ck_assert_uint_eq(tree_walk_next(&w), 0);
	ck_assert_uint_eq(tree_walk_next(&w), 0);
}

static void fill(struct tree *t, const uint32_t *sorted, unsigned count)
{
	struct tree_item *items = mem_zero(count * sizeof(*items));
	const struct tree_item **all = mem_alloc(count * sizeof(*all));

	for (unsigned i = 0; i < count; i++) {
		all[i] = &items[i];
		items[i].element = sorted[i];
		for (unsigned n = 0; n < TREE_ITEM_WORDS && n < kind.words; n++)
			items[i].words[n] = word_of(&kind, sorted[i], n);
	}
	tree_fill(&kind, t, all, count);
	free(all);
	free(items);
}

static unsigned sorted_place(const uint32_t *sorted, unsigned count, uint32_t element)
{
	unsigned first = 0, end = count;

	while (first < end) {
		unsigned middle = (first + end) / 2;
		if (tree_compare(&kind, sorted[middle], element) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

START_TEST(an_empty_tree_answers)
{
	struct tree t = {0};
	struct tree_key key = key_of(3);
	struct tree_walk w;

	ck_assert_uint_eq(tree_before(&kind, &t, &key), 0);
	tree_walk_from(&w, &t, 0);
	ck_assert_uint_eq(tree_walk_next(&w), 0);
	tree_walk_from(&w, &t, 10);
	ck_assert_uint_eq(tree_walk_next(&w), 0);
}
END_TEST

/* How far apart keys are, and how many there are of them, decides what the 32 bits of a key in a node can tell. */
static const struct { unsigned words, at; uint64_t keys, apart; } spreads[] = {
	{2, 0, 60, 1}, {2, 0, 1u << 30, 1}, {2, 0, 1u << 30, UINT64_C(1) << 33}, {3, 1, 5000, 1}, {4, 2, 1000, 1u << 20},
	{8, 6, 3, 1}, {21, 19, 100000, UINT64_C(0x0100010001000)}, {5, 0, 40, 1}, {6, 1, 40, UINT64_C(1) << 40},
};
enum { SPREADS = sizeof(spreads) / sizeof(*spreads) };

START_TEST(order_places_and_ranks_survive_random_changes)
{
	enum { MANY = 3000, ROUNDS = 60000 };
	static uint32_t sorted[MANY], all[MANY];
	static bool inside[MANY];
	struct tree t = {0};
	unsigned count = 0;

	slab_done(&things);
	open_trees(spreads[_i].words, spreads[_i].at);
	memset(inside, 0, sizeof(inside));
	for (int i = 0; i < MANY; i++)
		all[i] = make(0);
	for (int round = 0; round < ROUNDS; round++) {
		if (round % (ROUNDS / 10) == 0 && count > 0) {
			tree_done(&kind, &t);
			fill(&t, sorted, count);
		}
		/* it fills, and empties again, and fills */
		unsigned one = pick(MANY), phase = (unsigned)round / (ROUNDS / 5) % 2;
		if (inside[one] && (phase == 1 || pick(3) == 0)) {
			unsigned at = sorted_place(sorted, count, all[one]);
			tree_remove(&kind, &t, all[one]);
			memmove(sorted + at, sorted + at + 1, (--count - at) * sizeof(*sorted));
			inside[one] = false;
		} else if (!inside[one] && (phase == 0 || pick(3) == 0)) {
			thing(all[one])->key = draw() % spreads[_i].keys * spreads[_i].apart;
			unsigned at = sorted_place(sorted, count, all[one]);
			memmove(sorted + at + 1, sorted + at, (count++ - at) * sizeof(*sorted));
			sorted[at] = all[one];
			tree_insert(&kind, &t, all[one]);
			inside[one] = true;
		}
		uint64_t key = draw() % (spreads[_i].keys + 2) * spreads[_i].apart;
		struct tree_key place = key_of(key);
		unsigned before = 0, end = count;
		while (before < end) {
			unsigned middle = (before + end) / 2;
			if (thing(sorted[middle])->key < key)
				before = middle + 1;
			else
				end = middle;
		}
		HOLDS(tree_before(&kind, &t, &place) == before);
		if (round % 500 == 0)
			check_is(&t, sorted, count);
	}
	check_is(&t, sorted, count);
	while (count > 0) {
		unsigned at = pick(count);
		tree_remove(&kind, &t, sorted[at]);
		memmove(sorted + at, sorted + at + 1, (--count - at) * sizeof(*sorted));
	}
	check_is(&t, sorted, 0);
}
END_TEST

START_TEST(a_walk_starts_at_any_place)
{
	enum { MANY = 1000 };
	struct tree t = {0};
	uint32_t sorted[MANY];

	for (unsigned i = 0; i < MANY; i++)
		sorted[i] = make(i * 7);
	for (unsigned i = 0; i < MANY; i++)
		tree_insert(&kind, &t, sorted[i * 389 % MANY]);
	for (unsigned from = 0; from <= MANY; from++) {
		struct tree_walk w;
		tree_walk_from(&w, &t, from);
		for (unsigned i = from; i < MANY; i++)
			HOLDS(tree_walk_next(&w) == sorted[i]);
		HOLDS(tree_walk_next(&w) == 0);
	}
	tree_done(&kind, &t);
}
END_TEST

enum { GROWN = 200000 };

/* Memory is part of what is promised: records come mostly in the order of their time. */
static void check_fill(struct tree *t, const uint32_t *sorted, double bytes_each)
{
	ck_assert_msg((double)bytes / GROWN < bytes_each, "%f", (double)bytes / GROWN);
	for (unsigned i = 0; i < GROWN; i += 97)
		HOLDS(tree_at(t, i) == sorted[i] && tree_before_element(&kind, t, sorted[i]) == i);
	tree_done(&kind, t);
}

START_TEST(what_comes_in_order_fills_the_nodes)
{
	static uint32_t sorted[GROWN];
	struct tree up = {0}, down = {0}, filled = {0};

	for (unsigned i = 0; i < GROWN; i++)
		sorted[i] = make(i * UINT64_C(1000003));
	for (unsigned i = 0; i < GROWN; i++)
		tree_insert(&kind, &up, sorted[i]);
	check_fill(&up, sorted, 9.2);
	for (unsigned i = GROWN; i > 0; i--)
		tree_insert(&kind, &down, sorted[i - 1]);
	check_fill(&down, sorted, 9.2);
	fill(&filled, sorted, GROWN);
	check_fill(&filled, sorted, 9.2);
}
END_TEST

/* Around where a node is full, and a level. */
START_TEST(a_tree_of_any_size_is_filled_at_once)
{
	static const unsigned sizes[] = {1, 2, 3, 63, 64, 65, 66, 127, 128, 129, 4159, 4160, 4161, 4224, 4225, 8320, 8321};
	static uint32_t sorted[GROWN];
	unsigned count = sizes[_i];
	struct tree t = {0};

	for (unsigned i = 0; i < count; i++)
		sorted[i] = make(i / 2 * 3);
	fill(&t, sorted, count);
	check_is(&t, sorted, count);
	for (unsigned i = 0; i < count; i += 2)
		tree_remove(&kind, &t, sorted[i]);
	for (unsigned i = 0; i < count; i += 2)
		tree_insert(&kind, &t, sorted[i]);
	check_is(&t, sorted, count);
	tree_done(&kind, &t);
}
END_TEST

START_TEST(what_comes_in_any_order_takes_little_more)
{
	static uint32_t sorted[GROWN];
	struct tree t = {0};

	for (unsigned i = 0; i < GROWN; i++)
		sorted[i] = make(i * UINT64_C(1000003));
	for (unsigned i = 0; i < GROWN; i++)
		tree_insert(&kind, &t, sorted[(uint64_t)i * 7919 % GROWN]);
	check_fill(&t, sorted, 14);
}
END_TEST

START_TEST(what_was_removed_gives_its_memory_back)
{
	static uint32_t sorted[GROWN];
	struct tree t = {0};

	for (unsigned i = 0; i < GROWN; i++)
		sorted[i] = make(i);
	fill(&t, sorted, GROWN);
	uint64_t full = bytes;
	for (unsigned i = 0; i < GROWN; i++)
		if (i % 16 != 0)
			tree_remove(&kind, &t, sorted[i]);
	ck_assert_uint_lt(bytes, full / 4);
	for (unsigned i = 16; i < GROWN; i += 16)
		tree_remove(&kind, &t, sorted[i]);
	ck_assert_uint_eq(tree_at(&t, 0), sorted[0]);
	ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(a_tree_of_one_needs_no_memory)
{
	struct tree t = {0};
	uint32_t one = make(5);
	struct tree_key at = key_of(5), behind = key_of(6);

	tree_insert(&kind, &t, one);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_uint_eq(tree_at(&t, 0), one);
	ck_assert_uint_eq(tree_before(&kind, &t, &at), 0);
	ck_assert_uint_eq(tree_before(&kind, &t, &behind), 1);
	check_is(&t, &one, 1);
	tree_remove(&kind, &t, one);
	check_is(&t, NULL, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tree");
	TCase *t = tcase_create("tree");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_empty_tree_answers);
	tcase_add_loop_test(t, order_places_and_ranks_survive_random_changes, 0, SPREADS);
	tcase_add_test(t, a_walk_starts_at_any_place);
	tcase_add_test(t, what_comes_in_order_fills_the_nodes);
	tcase_add_loop_test(t, a_tree_of_any_size_is_filled_at_once, 0, 17);
	tcase_add_test(t, what_comes_in_any_order_takes_little_more);
	tcase_add_test(t, what_was_removed_gives_its_memory_back);
	tcase_add_test(t, a_tree_of_one_needs_no_memory);
	suite_add_tcase(s, t);
	return unit_run(s);
}
