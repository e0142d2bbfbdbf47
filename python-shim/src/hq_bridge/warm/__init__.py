"""Warm runners: a worker's Python processes that have done the slow part of a task's start already.

A worker starts `python -m hq_bridge.warm` for tasks that ask for it (`warm` in their specification) and speaks with it as
with its launcher hqspawn: the frames are described in `src/worker/executor/launcherFrames.ts`. Each task is a fork of the
runner. Standard library only, beside what the tasks themselves are made of.
"""
