"""Reads what people already have - devcontainers, workflows, Dockerfiles, set-up scripts - as drafts of environments.

Nothing is ever run, written or fetched here, and no file outside of the project's folder is read. The way in:

- `discover.discover(folder)` gives an `ImportCandidate` for each file that can be imported, the best first. It
  looks at fixed places only and takes about a millisecond.
- `read.read_draft(found, tools, environ)` reads one of them: a `Draft` holds the proposed fields of an environment, a
  report of what could not be carried over (`Gap`: what, why, hint), and notes of what was decided.
- `read.recognise(path)` tells which kind of file a person named by hand, None if it is none of these.

`runner.importing` puts this together with the splitter; the window and the command line call that.
"""
