#include "daemon/tree.h"
#include "tests/unit/unit.h"
#include <string.h>

/* An assertion that costs nothing while it holds: Check's own tell the parent process each time. */
#define HOLDS(condition) do { if (!(condition)) ck_abort_msg("%s", #condition); } while (0)

/* Sorted by key, equal keys by number. Each thing can be in two trees. */
struct thing {
	int key;
	struct tree_node plain, other;
};

static struct slab things;
static struct tree_kind kind, other_kind;
static uint64_t random_state;

static struct thing *thing(uint32_t n)
{
	return slab_at(&things, n);
}

static int compare(const struct tree_kind *k, uint32_t a, uint32_t b)
{
	const struct thing *x = slab_at(k->slab, a), *y = slab_at(k->slab, b);

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (a > b) - (a < b);
}

static int compare_key(const struct tree_kind *k, uint32_t element, const void *key)
{
	const struct thing *x = slab_at(k->slab, element);

	return x->key < *(const int *)key ? -1 : 1;
}

static unsigned pick(unsigned below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % below;
}

static void open_trees(void)
{
	slab_init(&things, sizeof(struct thing));
	kind = (struct tree_kind){.slab = &things, .node_at = offsetof(struct thing, plain), .seed = 1,
	                          .compare = compare,
	                          .compare_key = compare_key};
	other_kind = kind;
	other_kind.node_at = offsetof(struct thing, other);
	random_state = 42;
}

static void close_trees(void)
{
	slab_done(&things);
}

static uint32_t make(int key)
{
	uint32_t n = slab_take(&things);

	thing(n)->key = key;
	return n;
}

/* Ranks are right in every node, order holds between neighbours. Returns the depth. */
static unsigned check_below(uint32_t root)
{
	if (root == 0)
		return 0;
	const struct tree_node *n = &thing(root)->plain;
	unsigned left = check_below(n->left), right = check_below(n->right);
	HOLDS(n->rank == tree_size(&kind, n->left) + 1);
	HOLDS(n->left == 0 || compare(&kind, n->left, root) < 0);
	HOLDS(n->right == 0 || compare(&kind, n->right, root) > 0);
	return (left > right ? left : right) + 1;
}

static void check_is(uint32_t root, const uint32_t *sorted, unsigned count)
{
	struct tree_walk w;

	check_below(root);
	ck_assert_uint_eq(tree_size(&kind, root), count);
	tree_walk_from(&w, &kind, root, 0);
	for (unsigned i = 0; i < count; i++) {
		HOLDS(tree_walk_next(&w) == sorted[i]);
		HOLDS(tree_at(&kind, root, i) == sorted[i]);
	}
	ck_assert_uint_eq(tree_walk_next(&w), 0);
	ck_assert_uint_eq(tree_walk_next(&w), 0);
}

static unsigned sorted_place(const uint32_t *sorted, unsigned count, uint32_t element)
{
	unsigned at = 0;

	while (at < count && compare(&kind, sorted[at], element) < 0)
		at++;
	return at;
}

START_TEST(an_empty_tree_answers)
{
	int key = 3;
	struct tree_walk w;

	ck_assert_uint_eq(tree_size(&kind, 0), 0);
	ck_assert_uint_eq(tree_before(&kind, 0, &key), 0);
	ck_assert(!tree_has(&kind, 0, 1));
	tree_walk_from(&w, &kind, 0, 0);
	ck_assert_uint_eq(tree_walk_next(&w), 0);
	tree_walk_from(&w, &kind, 0, 10);
	ck_assert_uint_eq(tree_walk_next(&w), 0);
}
END_TEST

START_TEST(order_places_and_ranks_survive_random_changes)
{
	enum { MANY = 400, ROUNDS = 6000, KEYS = 60 };
	static uint32_t sorted[MANY], all[MANY];
	static bool inside[MANY];
	unsigned count = 0;
	uint32_t root = 0;

	memset(inside, 0, sizeof(inside));
	for (int i = 0; i < MANY; i++)
		all[i] = make(0);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned one = pick(MANY);
		if (inside[one]) {
			unsigned at = sorted_place(sorted, count, all[one]);
			ck_assert(tree_has(&kind, root, all[one]));
			tree_remove(&kind, &root, all[one]);
			memmove(sorted + at, sorted + at + 1, (--count - at) * sizeof(*sorted));
			ck_assert(!tree_has(&kind, root, all[one]));
		} else {
			thing(all[one])->key = (int)pick(KEYS);
			struct tree_way ways[] = {{&kind, root, all[one]}, {&other_kind, 0, all[one]}};
			tree_approach(ways, 2);
			unsigned at = sorted_place(sorted, count, all[one]);
			memmove(sorted + at + 1, sorted + at, (count++ - at) * sizeof(*sorted));
			sorted[at] = all[one];
			tree_insert(&kind, &root, all[one]);
		}
		inside[one] = !inside[one];
		int key = (int)pick(KEYS + 2) - 1;
		unsigned before = 0;
		while (before < count && thing(sorted[before])->key < key)
			before++;
		HOLDS(tree_before(&kind, root, &key) == before);
		uint32_t roots[TREE_TOGETHER + 3], each[TREE_TOGETHER + 3];
		for (unsigned i = 0; i < TREE_TOGETHER + 3; i++)
			roots[i] = i % 2 ? root : 0;
		tree_before_each(&kind, roots, TREE_TOGETHER + 3, &key, each);
		for (unsigned i = 0; i < TREE_TOGETHER + 3; i++)
			HOLDS(each[i] == (i % 2 ? before : 0));
		if (round % 50 == 0)
			check_is(root, sorted, count);
	}
	check_is(root, sorted, count);
}
END_TEST

START_TEST(a_walk_starts_at_any_place)
{
	enum { MANY = 300 };
	uint32_t root = 0;

	for (int i = 0; i < MANY; i++) {
		uint32_t n = make((i * 7919) % MANY);
		tree_insert(&kind, &root, n);
	}
	for (uint32_t from = 0; from <= MANY; from++) {
		struct tree_walk w;
		tree_walk_from(&w, &kind, root, from);
		for (uint32_t place = from; place < MANY; place++)
			HOLDS(thing(tree_walk_next(&w))->key == (int)place);
		ck_assert_uint_eq(tree_walk_next(&w), 0);
	}
}
END_TEST

START_TEST(sorted_input_makes_no_deep_tree)
{
	enum { MANY = 100000 };
	uint32_t root = 0;

	for (int i = 0; i < MANY; i++)
		tree_insert(&kind, &root, make(i));
	ck_assert_uint_lt(check_below(root), 64);
	for (uint32_t n = 1; n <= MANY; n += 2)
		tree_remove(&kind, &root, n);
	ck_assert_uint_eq(tree_size(&kind, root), MANY / 2);
	ck_assert_uint_lt(check_below(root), 64);
}
END_TEST

/* A treap's shape follows from its elements alone, so the short way has to make the very same one. */
START_TEST(appending_in_order_makes_the_tree_that_inserting_makes)
{
	enum { MANY = 5000 };
	uint32_t inserted = 0, appended = 0;

	for (int i = 0; i < MANY; i++)
		tree_append(&kind, &appended, make(i));
	struct tree_node *were = malloc(MANY * sizeof(*were));
	for (uint32_t n = 1; n <= MANY; n++)
		were[n - 1] = thing(n)->plain;
	for (uint32_t n = MANY; n > 0; n--)
		tree_insert(&kind, &inserted, n);
	ck_assert_uint_eq(inserted, appended);
	for (uint32_t n = 1; n <= MANY; n++)
		HOLDS(memcmp(&were[n - 1], &thing(n)->plain, sizeof(*were)) == 0);
	check_below(inserted);
	free(were);
}
END_TEST

START_TEST(one_element_is_in_two_trees_at_once)
{
	uint32_t plain = 0, other = 0;

	for (int i = 0; i < 100; i++) {
		uint32_t n = make(i);
		tree_insert(&kind, &plain, n);
		if (i % 2)
			tree_insert(&other_kind, &other, n);
	}
	ck_assert_uint_eq(tree_size(&kind, plain), 100);
	ck_assert_uint_eq(tree_size(&other_kind, other), 50);
	ck_assert_int_eq(thing(tree_at(&other_kind, other, 10))->key, 21);
	tree_remove(&kind, &plain, 22);
	ck_assert(tree_has(&other_kind, other, 22));
	check_below(plain);
}
END_TEST

/* Keys in the order of the priorities make the worst tree that there is: one long branch, much deeper than
 * a walk's stack. The priorities are found out by taking the root away again and again. */
START_TEST(a_walk_through_a_tree_that_is_one_long_branch_misses_nothing)
{
	enum { MANY = 5 * TREE_WALK_DEPTH };
	uint32_t by_priority[MANY], root = 0;

	for (int i = 0; i < MANY; i++)
		tree_insert(&kind, &root, make(i));
	for (int i = 0; i < MANY; i++) {
		by_priority[i] = root;
		tree_remove(&kind, &root, root);
	}
	for (int i = 0; i < MANY; i++) {
		thing(by_priority[i])->key = MANY - i;
		tree_insert(&kind, &root, by_priority[i]);
	}
	ck_assert_uint_eq(check_below(root), MANY);
	for (uint32_t from = 0; from < MANY; from += 13) {
		struct tree_walk w;
		tree_walk_from(&w, &kind, root, from);
		for (uint32_t place = from; place < MANY; place++)
			ck_assert_int_eq(thing(tree_walk_next(&w))->key, (int)place + 1);
		ck_assert_uint_eq(tree_walk_next(&w), 0);
	}
}
END_TEST

START_TEST(another_seed_makes_another_tree_of_the_same_order)
{
	enum { MANY = 1000 };
	uint32_t root = 0, other = 0;

	other_kind.seed = 99;
	for (int i = 0; i < MANY; i++) {
		uint32_t n = make(i);
		tree_insert(&kind, &root, n);
		tree_insert(&other_kind, &other, n);
	}
	unsigned differing = 0;
	for (uint32_t n = 1; n <= MANY; n++) {
		ck_assert_uint_eq(tree_at(&kind, root, n - 1), tree_at(&other_kind, other, n - 1));
		differing += thing(n)->plain.left != thing(n)->other.left;
	}
	ck_assert_uint_gt(differing, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tree");
	TCase *c = tcase_create("tree");

	tcase_add_checked_fixture(c, open_trees, close_trees);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, an_empty_tree_answers);
	tcase_add_test(c, order_places_and_ranks_survive_random_changes);
	tcase_add_test(c, a_walk_starts_at_any_place);
	tcase_add_test(c, sorted_input_makes_no_deep_tree);
	tcase_add_test(c, appending_in_order_makes_the_tree_that_inserting_makes);
	tcase_add_test(c, one_element_is_in_two_trees_at_once);
	tcase_add_test(c, a_walk_through_a_tree_that_is_one_long_branch_misses_nothing);
	tcase_add_test(c, another_seed_makes_another_tree_of_the_same_order);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
