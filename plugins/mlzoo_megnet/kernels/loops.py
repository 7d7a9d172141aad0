"""What stands between the matrix products of MEGNet, in one sweep each: loops compiled by Numba, float32 only."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from mlzoo.nn.compiled import compiled

LOG2E, LN2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)
ZERO, FIFTH, HALF, ONE, TWO, THREE = (np.float32(number) for number in (0, 0.2, 0.5, 1, 2, 3))
LARGEST = np.float32(120)  # 2^−120 is still a normal number

# 2^f = 1 + f·P(f) for |f| ≤ 1/2 and ln(1 + y) = y·Q(y) for 0 ≤ y ≤ 1, least largest relative error: 9e-8 and 3e-8
P1, P2, P3, P4, P5 = np.array([0.6931470037, 0.2402224243, 0.05550735071, 0.00967152044, 0.001326425583], np.float32)
Q0, Q1, Q2, Q3, Q4, Q5, Q6, Q7 = np.array(
    [
        0.9999964237, -0.4998740554, 0.3317982554, -0.2407307476,
        0.1676478386, -0.09532248229, 0.03608451411, -0.006452611182,
    ],
    dtype=np.float32,
)  # fmt: skip


@intrinsic
def bits_as_float(typing, bits):
    """The float32 with these bits."""

    def code(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), code


@compiled
def power_of_two(s):
    """2^(−s) for 0 ≤ s ≤ LARGEST: 2^(−n) 2^f with the whole number n next to s."""
    n = np.int32(s + HALF)
    f = np.float32(n) - s
    power = ((((P5 * f + P4) * f + P3) * f + P2) * f + P1) * f + ONE
    return power * bits_as_float(np.int32(np.int32(127) - n) << np.int32(23))


@compiled
def softplus2(x):
    """ln(1 + e^x) − ln 2 = max(x, 0) + ln(1 + 2^(−s)) − ln 2 with s = |x| log₂e, to the rounding of float32.

    No branches and no calls, so that loops over it become vector instructions.
    """
    y = power_of_two(min(abs(x) * LOG2E, LARGEST))
    logarithm = (((((((Q7 * y + Q6) * y + Q5) * y + Q4) * y + Q3) * y + Q2) * y + Q1) * y + Q0) * y
    return max(x, ZERO) + (logarithm - LN2)


@compiled
def tanh(x):
    """±(1 − y)/(1 + y) with y = e^(−2|x|)."""
    y = power_of_two(min(abs(x) * (TWO * LOG2E), LARGEST))
    size = (ONE - y) / (ONE + y)
    return size if x > ZERO else -size


@compiled
def sigmoid(x):
    return HALF + HALF * tanh(HALF * x)


@compiled
def hard_sigmoid(x):
    return min(max(FIFTH * x + HALF, ZERO), ONE)


@compiled
def activate(x, bias):
    """x = softplus2(x + bias) in place."""
    for row in range(x.shape[0]):
        for k in range(
            np.uint64(x.shape[1])
        ):  # unsigned: a signed index might count from the end, and stop vectorising
            x[row, k] = softplus2(x[row, k] + bias[k])


@compiled
def add_bias(x, bias):
    for row in range(x.shape[0]):
        for k in range(np.uint64(x.shape[1])):
            x[row, k] += bias[k]


@compiled
def add_rows(x, rows, index):
    """x += the row of each entry's index, in place."""
    for row in range(x.shape[0]):
        i = index[row]
        for k in range(np.uint64(x.shape[1])):
            x[row, k] += rows[i, k]


@compiled
def of_atoms(nodes, sums, edges_at_atom, state, structure, out):
    """[atom, mean of what came to it, state of its structure], three of one width side by side."""
    width = np.uint64(nodes.shape[1])
    for atom in range(nodes.shape[0]):
        s, share = structure[atom], ONE / edges_at_atom[atom]
        for k in range(width):
            out[atom, k] = nodes[atom, k]
            out[atom, width + k] = share * sums[atom, k]
            out[atom, width + width + k] = state[s, k]


@compiled
def of_structures(sums, nodes, state, structure, edges, atoms, out):
    """[state, mean of the updates of edges, mean of the updates of atoms], three of one width side by side."""
    width = np.uint64(nodes.shape[1])
    for s in range(state.shape[0]):
        for k in range(width):
            out[s, k] = state[s, k]
            out[s, width + k] = out[s, width + width + k] = ZERO
    for atom in range(nodes.shape[0]):
        s = structure[atom]
        of_edges, of_atoms = ONE / edges[s], ONE / atoms[s]
        for k in range(width):
            out[s, width + k] += of_edges * sums[atom, k]
            out[s, width + width + k] += of_atoms * nodes[atom, k]


@compiled
def activate_with_ends(x, of_centre, of_neighbour, centres, neighbours):
    """x = softplus2(x + what each edge's centre and neighbour contribute) in place."""
    for e in range(x.shape[0]):
        c, n = centres[e], neighbours[e]
        for k in range(np.uint64(x.shape[1])):
            x[e, k] = softplus2(x[e, k] + of_centre[c, k] + of_neighbour[n, k])


@compiled
def finish(x, bias, activated, edges, targets, sums):
    """x + bias, activated or not, is added to the edges and to the sums at their targets."""
    for e in range(x.shape[0]):
        target = targets[e]
        if activated:
            for k in range(np.uint64(x.shape[1])):
                x[e, k] = softplus2(x[e, k] + bias[k])
        else:
            for k in range(np.uint64(x.shape[1])):
                x[e, k] += bias[k]
        for k in range(np.uint64(x.shape[1])):
            edges[e, k] += x[e, k]
            sums[target, k] += x[e, k]


@compiled
def kinds(elements, states, centres, neighbours, structures, out):
    """Of each edge: the elements of its centre and its neighbour, and the state of its structure."""
    for e in range(out.shape[0]):
        out[e, 0], out[e, 1] = elements[centres[e]], elements[neighbours[e]]
        out[e, 2] = states[structures[e]]


@compiled
def distinct(lengths, kinds, slots, which, chosen):
    """Number the distinct combinations of the bits of a length and a kind, in the order in which they are met.

    ``which`` gets each edge's number, ``chosen`` the first edge of each; their count is returned. ``slots`` is a hash table
    of −1, a power of two long and at least twice as large as there are edges.
    """
    last, count = slots.shape[0] - 1, 0
    for e in range(kinds.shape[0]):
        mixed = np.int64(lengths[e]) * 2654435761 + kinds[e, 0] * 40503 + kinds[e, 1] * 2246822519 + kinds[e, 2] * 97
        slot = (mixed ^ (mixed >> 15)) & last
        while True:
            number = slots[slot]
            if number < 0:
                slots[slot] = which[e] = count
                chosen[count] = e
                count += 1
                break
            other = chosen[number]
            same = lengths[e] == lengths[other] and kinds[e, 0] == kinds[other, 0]
            if same and kinds[e, 1] == kinds[other, 1] and kinds[e, 2] == kinds[other, 2]:
                which[e] = number
                break
            slot = (slot + 1) & last
    return count


@compiled
def copy_rows(rows, index, out):
    """The row of each index."""
    for row in range(out.shape[0]):
        i = index[row]
        for k in range(np.uint64(out.shape[1])):
            out[row, k] = rows[i, k]


@compiled
def add_at(rows, index, targets, sums):
    """The row of each index is added at its target."""
    for row in range(index.shape[0]):
        i, target = index[row], targets[row]
        for k in range(np.uint64(rows.shape[1])):
            sums[target, k] += rows[i, k]


@compiled
def look_up(lengths, per_length, table, edges, x):
    """Hermite's cubics between the knots of a table: the first columns into ``edges``, the others into ``x``.

    A row of the table holds values, then slopes times the distance of knots.
    """
    width = np.uint64(edges.shape[1])
    both = width + np.uint64(x.shape[1])
    last = table.shape[0] - 2
    for e in range(lengths.shape[0]):
        place = lengths[e] * per_length
        knot = min(np.int64(place), last)
        t = place - np.float32(knot)
        h01 = t * t * (THREE - TWO * t)
        h00, h10, h11 = ONE - h01, t * (ONE - t) * (ONE - t), t * t * (t - ONE)
        for k in range(width):
            edges[e, k] = (
                h00 * table[knot, k] + h10 * table[knot, both + k]
                + h01 * table[knot + 1, k] + h11 * table[knot + 1, both + k]
            )  # fmt: skip
        for k in range(both - width):
            column = width + k
            x[e, k] = (
                h00 * table[knot, column] + h10 * table[knot, both + column]
                + h01 * table[knot + 1, column] + h11 * table[knot + 1, both + column]
            )  # fmt: skip


@compiled
def attend(x, index, scores, answer):
    """Softmax within each set of row · query, and the sum of the rows with these weights; [query, sum] is the answer."""
    sets, width = answer.shape[0], np.uint64(x.shape[1])
    largest, total = np.full(sets, -np.inf, np.float32), np.zeros(sets, np.float32)
    for row in range(x.shape[0]):
        score, s = ZERO, index[row]
        for k in range(width):
            score += x[row, k] * answer[s, k]
        scores[row] = score
        largest[s] = max(largest[s], score)
    for s in range(sets):
        for k in range(width):
            answer[s, width + k] = ZERO
    for row in range(x.shape[0]):
        s = index[row]
        weight = power_of_two(min((largest[s] - scores[row]) * LOG2E, LARGEST))
        total[s] += weight
        for k in range(width):
            answer[s, width + k] += weight * x[row, k]
    for s in range(sets):
        if total[s] > ZERO:
            share = ONE / total[s]
            for k in range(width):
                answer[s, width + k] *= share


@compiled
def lstm(gates, cell, answer):
    """One step, from gates [input, forget, new, output] before their activation, into the cell and the answer's query."""
    width = np.uint64(cell.shape[1])
    for s in range(cell.shape[0]):
        for k in range(width):
            entering, kept, leaving = (
                sigmoid(gates[s, k]),
                sigmoid(gates[s, width + k]),
                sigmoid(gates[s, width + width + width + k]),
            )
            cell[s, k] = kept * cell[s, k] + entering * tanh(gates[s, width + width + k])
            answer[s, k] = leaving * tanh(cell[s, k])


@compiled
def forgetful_lstm(gates, hard, answer):
    """One step from an empty cell, from gates [input, new, output] before their activation, into the answer's query."""
    width = np.uint64(gates.shape[1] // 3)
    for s in range(gates.shape[0]):
        for k in range(width):
            entering, leaving = gates[s, k], gates[s, width + width + k]
            if hard:
                entering, leaving = hard_sigmoid(entering), hard_sigmoid(leaving)
            else:
                entering, leaving = sigmoid(entering), sigmoid(leaving)
            answer[s, k] = leaving * tanh(entering * tanh(gates[s, width + k]))
