"""Access Analyzer: the checks of a policy that need no look at other accounts."""
