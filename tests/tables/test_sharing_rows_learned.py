"""Sharing that follows training: Dedup, CCE, CAFE; and ablations of MEmCom and ROBE."""

import pytest
import torch
from recipes import run_recipe, toy

from embedstudy.core.errors import StudyError
from embedstudy.tables.core.base import TableSpec
from embedstudy.tables.core.packing import unpack
from embedstudy.tables.sharing_rows.cafe import CAFE
from embedstudy.tables.sharing_rows.cce import CCE, clustered_epochs, kmeans
from embedstudy.tables.sharing_rows.dedup import Dedup, leaders, similarity
from embedstudy.tables.sharing_rows.hotsketch import HotSketch
from embedstudy.tables.sharing_rows.methods import METHODS
from embedstudy.tables.sharing_rows.pointers import pointed


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- Dedup ---------------------------------------------------------------------------------------------
def test_similarity_is_the_share_of_positions_within_the_tolerance():
    left = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    right = torch.tensor([[0.005, 1.02, 2.0, 3.5]])
    assert similarity(left, right, 0.01).tolist() == [0.5]


def test_planted_duplicates_are_merged_first_into_the_heavier_block():
    blocks = normal(40, 16)
    blocks[7] = blocks[3] + 0.001
    blocks[21] = blocks[12] - 0.002
    leader = leaders(blocks, 38, 0.7, torch.Generator().manual_seed(0))
    changed = (leader != torch.arange(40)).nonzero().squeeze(1).tolist()
    pairs = {frozenset((b, int(leader[b]))) for b in changed}
    assert pairs == {frozenset((3, 7)), frozenset((12, 21))}
    heavy = blocks.abs().quantile(0.75, dim=1)
    assert all(heavy[leader[b]] >= heavy[b] for b in changed)


@pytest.mark.parametrize("kept", [1, 5, 39])
def test_exactly_so_many_blocks_are_kept(kept):
    leader = leaders(normal(40, 16), kept, 0.7, torch.Generator().manual_seed(0))
    assert len(leader.unique()) == kept
    assert torch.equal(leader[leader], leader)


def test_merged_blocks_keep_their_place_in_the_block():
    spec = TableSpec((10, 5), 4, torch.ones(15, dtype=torch.int64))
    table = Dedup([10, 5], 4, block=4, kept=4, similar=0.7)
    weight = normal(15, 4)
    weight[4:8] = weight[0:4]
    table.merge(weight, torch.Generator().manual_seed(0))
    vectors = table(torch.arange(spec.rows))
    torch.testing.assert_close(vectors, weight)  # the only merge lost nothing
    assert table.map[0] == table.map[1]


@pytest.mark.parametrize("kind", [torch.uint16, torch.int32])
def test_pointers_are_read_up_to_their_last_bit(kind):
    values = torch.tensor([0, 1, 2**15 - 1, 2**15, 2**16 - 1])
    place = torch.tensor([[4, 0], [2, 3]])
    found = pointed(values.to(kind), place)
    assert found.dtype == torch.int64
    assert torch.equal(found, values[place])


# -- CCE -----------------------------------------------------------------------------------------------
def cce():
    spec = toy().spec(8, 0.05)
    return spec, CCE.build(spec, int(0.6 * spec.full_bytes), 0, chunks=2)


def test_clusters_become_the_first_table_and_residuals_the_second():
    spec, table = cce()
    ids = torch.arange(spec.rows)
    before = table(ids).detach().view(spec.rows, 2, 4)
    table.cluster()
    pointers = unpack(table.pointers, table.bits, 2)
    hashed = table.hashed(ids)
    for c in range(2):
        centroids = table.first[c].detach()
        distances = torch.cdist(before[:, c], centroids)
        chosen = distances.gather(1, pointers[:, c : c + 1]).squeeze(1)
        torch.testing.assert_close(chosen, distances.min(1).values, atol=1e-4, rtol=0)
        slot = hashed[0, c]
        mine = hashed[:, c] == slot
        residual = (before[mine, c] - centroids[pointers[mine, c]]).mean(0)
        torch.testing.assert_close(table.second[c, slot].detach(), residual)
    same = (pointers == pointers[5]).all(1) & (hashed == hashed[5]).all(1)
    vectors = table(ids)
    assert torch.equal(vectors[same], vectors[5].expand(int(same.sum()), -1))


def test_clustering_brings_vectors_nearer_to_what_they_were_than_a_new_hash_would():
    spec, table = cce()
    ids = torch.arange(spec.rows)
    before = table(ids).detach()
    table.cluster()
    assert (table(ids) - before).square().mean() < 0.5 * before.square().mean()


def test_clusterings_are_a_number_or_a_share_of_the_epochs_and_never_the_last_one():
    assert clustered_epochs(2, 10) == 2
    assert clustered_epochs(2, 2) == 1
    assert clustered_epochs(0, 10) == 0
    assert clustered_epochs(0.75, 10) == 7  # the authors' example
    assert clustered_epochs(0.99, 1) == 0
    spec = toy().spec(8, 0.05)
    for wrong in (-1, 1.0, "all"):
        with pytest.raises(StudyError, match="option clusterings of cce must be"):
            CCE.build(spec, spec.full_bytes, 0, clusterings=wrong)


@pytest.mark.parametrize(("clusterings", "expected"), [(2, 2), (0.75, 3), (0, 0)])
def test_as_many_epochs_cluster_as_are_asked_for(clusterings, expected):
    rounds = []

    class Watched(CCE):
        def cluster(self):
            super().cluster()
            rounds.append(int(self.round))

    trainer = run_recipe(Watched, share=0.6, epochs=4, chunks=2, clusterings=clusterings)
    assert rounds == list(range(1, expected + 1))
    assert trainer.fits[0].best_epoch >= expected


def test_a_new_round_hashes_anew_and_the_file_knows_the_round():
    _, table = cce()
    ids = torch.arange(100)
    first = table.hashed(ids)
    table.round += 1
    assert not torch.equal(table.hashed(ids), first)
    again = CCE.restore(table.config(), table.state_dict())
    assert torch.equal(again.hashed(ids), table.hashed(ids))


def test_cce_of_distinct_ids_is_that_of_all_in_vectors_and_gradients():
    spec, table = cce()
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(0, spec.rows, (60, 3), generator=rng).square() % spec.rows
    weights = torch.randn(60, 3, 8, generator=rng)
    plain = table.vectors(ids.flatten()).view(60, 3, 8)
    assert torch.equal(table(ids), plain)
    gradients = [
        torch.autograd.grad((vectors * weights).sum(), [table.first, table.second])
        for vectors in (table(ids), plain)
    ]
    for actual, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-5)


def test_kmeans_assigns_the_nearest_centroid_and_survives_too_few_vectors():
    vectors = normal(400, 4)
    centroids, nearest = kmeans(vectors, 20, seed=0)
    assert torch.equal(nearest, torch.cdist(vectors, centroids).argmin(1))
    for c in (0, 7, 19):  # a centroid is close to the mean of what it serves
        assert (vectors[nearest == c].mean(0) - centroids[c]).norm() < 0.5
    assert (vectors - centroids[nearest]).square().sum() < 0.6 * vectors.square().sum()
    few, nearest = kmeans(torch.zeros(20, 4), 6, seed=0)
    assert few.shape == (6, 4)
    assert nearest.tolist() == [0] * 20


# -- CAFE ----------------------------------------------------------------------------------------------
def test_the_sketch_finds_the_most_frequent_ids_of_a_zipf_stream():
    rng = torch.Generator().manual_seed(0)
    chances = 1 / torch.arange(1, 10_001).float() ** 1.1
    names = torch.randperm(10_000, generator=rng)  # frequency must not follow the id
    sketch, true = HotSketch(400, seed=0), torch.zeros(10_000)
    for _ in range(200):
        stream = names[torch.multinomial(chances, 500, replacement=True, generator=rng)]
        ids, counts = stream.unique(return_counts=True)
        sketch.add(ids, counts.float())
        true[ids] += counts
    top = true.argsort(descending=True)[:100]
    order = sketch.scores.flatten().argsort(descending=True)[:100]
    actual = sketch.ids.flatten()[order]
    assert torch.isin(top, actual).float().mean() >= 0.9
    filled = sketch.ids >= 0
    assert (sketch.scores[filled] >= true[sketch.ids[filled]] - 1e-3).all(), "never too low"
    assert sketch.scores.sum().item() == pytest.approx(true.sum().item(), rel=1e-4)


def test_a_full_bucket_replaces_its_smallest_score_and_inherits_it():
    sketch = HotSketch(1, seed=0)
    sketch.add(torch.arange(4), torch.tensor([5.0, 3.0, 9.0, 4.0]))
    sketch.add(torch.tensor([7]), torch.tensor([1.0]))
    assert dict(zip(sketch.ids[0].tolist(), sketch.scores[0].tolist(), strict=True)) == {
        0: 5.0, 7: 4.0, 2: 9.0, 3: 4.0}  # fmt: skip
    for identity, row, score in ((0, 0, 0.1), (2, 1, 0.2)):  # these own hot rows
        slot = sketch.ids[0].tolist().index(identity)
        sketch.row[0, slot], sketch.scores[0, slot] = row, score
    sketch.add(torch.tensor([8]), torch.tensor([1.0]))
    assert {0, 2, 8} < set(sketch.ids[0].tolist())


def cafe(hot=4, shared=16, threshold=10.0, rows=(30,)):
    table = CAFE(list(rows), 4, hot, shared, threshold, 0).train()
    spec = TableSpec(tuple(rows), 4, torch.ones(sum(rows), dtype=torch.int64))
    table.reset(spec, torch.Generator())
    return table


def step(table, ids, push=None):
    out = table(torch.tensor(ids))
    (out * (1.0 if push is None else torch.tensor(push).unsqueeze(1))).sum().backward()
    table.migrate(None)
    table.zero_grad()


def test_promotion_gives_a_row_and_leaves_the_vector_as_it_was():
    table = cafe()
    before = table(torch.arange(30)).detach()
    for _ in range(12):
        step(table, [3, 5])  # importance 1 each
    own = table.sketch.rows_of(torch.arange(30))
    assert (own >= 0).nonzero().flatten().tolist() == [3, 5]
    assert torch.equal(table(torch.arange(30)).detach(), before)
    with torch.no_grad():
        table.rows[table.shared + own[3]] += 1
    changed = (table(torch.arange(30)).detach() != before).any(1)
    assert changed.nonzero().flatten().tolist() == [3], "a row of its own moves no one else"


def test_gradients_reach_the_shared_row_or_the_own_one():
    table, ids = cafe(), torch.tensor([3, 5, 3, 9, 21])
    for _ in range(12):
        step(table, [3, 5])
    table(ids).sum().backward()
    own = table.sketch.rows_of(torch.tensor([3, 5])) + table.shared
    shared = table.hash(torch.tensor([9, 21]), table.shared)
    expected = torch.zeros(20).index_add(
        0, torch.cat([own, shared]), torch.tensor([2.0, 1.0, 1.0, 1.0])
    )
    assert torch.equal(table.rows.grad, expected.unsqueeze(1).expand(20, 4))


def test_an_id_that_gets_a_row_starts_without_the_moments_of_the_one_before():
    table = cafe(hot=2)
    optimizer = torch.optim.Adam(table.parameters())
    table(torch.arange(30)).sum().backward()
    optimizer.step()
    state = optimizer.state[table.rows]
    state["exp_avg"].fill_(1)
    state["exp_avg_sq"].fill_(1)
    with torch.no_grad():
        table.sketch.add(torch.tensor([3]), torch.tensor([20.0]))
        table.promote(optimizer)
    row = table.shared + table.sketch.rows_of(torch.tensor([3])).item()
    for moment in (state["exp_avg"], state["exp_avg_sq"]):
        assert (moment == 0).all(1).nonzero().flatten().tolist() == [row]


def scores(table, ids):
    return table.sketch.scores[table.sketch.find(torch.tensor(ids))]


def test_importance_sums_norms_of_look_ups_so_that_gradients_do_not_cancel():
    table = cafe(threshold=100.0)
    step(table, [3, 3, 5, 9], [1.0, -1.0, 4.0, 0.0])
    # Norms 2, 2, 8 and 0 add up to the four look-ups.
    torch.testing.assert_close(scores(table, [3, 5, 9]), torch.tensor([4 / 3, 8 / 3, 0.0]))
    assert table.added.item() == pytest.approx(4)


def test_importance_adds_up_to_the_look_ups_of_each_field():
    table = cafe(threshold=100.0, rows=(10, 20))
    step(table, [3, 12, 3, 25], [1.0, 100.0, 3.0, 300.0])
    expected = torch.tensor([2.0, 0.5, 1.5])
    torch.testing.assert_close(scores(table, [3, 12, 25]), expected)


def test_scores_fall_when_ten_thresholds_a_bucket_were_added_since_the_last_time():
    table = cafe(hot=2, threshold=1.0)  # every 20
    for _ in range(21):
        step(table, [3])
    assert scores(table, [3]).item() == pytest.approx(21)
    step(table, [3])  # 21 were added: they fall first, then 1 is added
    assert scores(table, [3]).item() == pytest.approx(0.99 * 21 + 1)
    assert table.added.item() == pytest.approx(1)
    for _ in range(19):
        step(table, [3])
    assert scores(table, [3]).item() == pytest.approx(0.99 * 21 + 20)


@pytest.mark.parametrize(
    ("share", "threshold", "hot"),
    [(1, 10, 0.3), (0.5, 10, 0.3), (0.1, 20, 0.5), (0.01, 100, 0.7), (0.0005, 500, 0.9)],
)
def test_threshold_and_hot_rows_follow_the_budget_as_in_the_authors_settings(share, threshold, hot):
    spec = TableSpec((90_001, 7), 16, torch.ones(90_008, dtype=torch.int64))
    budget = int(share * spec.full_bytes)
    sizes = CAFE.plan(spec, budget, 0)
    assert sizes["threshold"] == threshold
    own, shared = sizes["hot"] * 68, sizes["shared"] * 64  # bytes, those of hot ids included
    assert own / (own + shared) == pytest.approx(hot, abs=0.03)
    assert CAFE.plan(spec, budget, 0, threshold=3.0, hot=0.25)["threshold"] == 3
    with pytest.raises(StudyError, match="threshold of cafe must be a number above 0, not 0"):
        CAFE.plan(spec, budget, 0, threshold=0)


def test_what_cools_down_gives_its_row_back():
    table = cafe(hot=1)
    for _ in range(12):
        step(table, [3])
    assert table.free.tolist() == [False]
    row = table.sketch.rows_of(torch.tensor([3])).item()
    assert row == 0
    # 100 added between two falls of 1 %: 12 is below 10 after 19 of them.
    for _ in range(1800):
        step(table, [8])
    assert table.sketch.rows_of(torch.tensor([3, 8])).tolist() == [0, -1]
    for _ in range(200):
        step(table, [8])
    assert table.sketch.rows_of(torch.tensor([3, 8])).tolist() == [-1, 0]


def test_cafe_serves_hot_ids_from_a_sorted_list():
    trainer = run_recipe(CAFE, share=0.5, threshold=5.0)
    table = trainer.model.table
    assert 0 < table.hot <= 160
    assert (table.ids[1:] > table.ids[:-1]).all()
    assert torch.equal(table(table.ids.long()), table.hot_rows)


# -- ablations of the papers ---------------------------------------------------------------------------
SPEC = TableSpec((300, 200), 16, torch.ones(500, dtype=torch.int64), 0.05)


def test_memcom_starts_as_hashing_and_its_bias_leaves_the_line():
    plain = METHODS["memcom"].build(SPEC, SPEC.full_bytes // 4, 0)
    biased = METHODS["memcom"].build(SPEC, SPEC.full_bytes // 3, 0, bias=True)
    counts = []
    for table in (plain, biased):
        first = table(torch.arange(500)).detach()
        assert len(first.unique(dim=0)) == int(table.slots.sum()), "one vector a bucket"
        with torch.no_grad():
            table.scalars.copy_(normal(*table.scalars.shape, seed=2))
            table.scalars[:, 1:] *= 0.05  # of the size of the rows
        unit = torch.nn.functional.normalize(table(torch.arange(500)).detach())
        counts.append(int(((unit @ unit.T).abs() > 1 - 1e-5).sum()) - 500)
    assert counts[0] > 500, "ids of one bucket differ by a factor only"
    assert counts[1] < counts[0] / 10


def test_larger_blocks_of_robe_do_not_change_the_variance_of_inner_products_for_the_worse():
    pairs, spread = (torch.arange(0, 400, 2), torch.arange(1, 400, 2)), {}
    for z in (1, 16):
        products = [
            (table(pairs[0]) * table(pairs[1])).sum(1)
            for table in (
                METHODS["robe"].build(SPEC, SPEC.full_bytes // 4, s, z=z) for s in range(60)
            )
        ]
        spread[z] = torch.stack(products).var().item()
    assert spread[16] <= 1.1 * spread[1]
