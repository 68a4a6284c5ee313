"""The questions: plain async functions over the rollups, with typed answers. Every door calls these, and none has SQL of its own."""
