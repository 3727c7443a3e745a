"""`make demo`: Warren's main job, done for real between two hosts of its own making and shown."""
