"""How well a model hears: curves, budgets, intervals, comparisons, error lists."""
