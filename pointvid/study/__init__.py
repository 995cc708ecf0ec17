"""Which of two videos do people prefer? Blind pairs, a page to answer on, and what the answers say (docs/study.md)."""
