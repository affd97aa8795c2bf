"""OptEmbed-E: OptEmbed's row pruning alone, every kept row with all its dimensions.

Lyu et al., "OptEmbed: Learning Optimal Embedding Table for Click-through Rate Prediction" (CIKM
2022), section 4.5.
"""

from embedstudy.tables.fewer_dimensions.optembed import OptEmbed


class OptEmbedE(OptEmbed):
    """The supernet without random dimensions, then retraining of the rows above their thresholds.

    Where they do not fit the budget, those with the largest margin stay, as in ``OptEmbed``.
    """

    method = "optembed_e"
    searches_dims = False
