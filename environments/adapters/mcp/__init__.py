"""``--domain mcp:FILE.yaml``: an MCP server as a domain.

In: a YAML file that says how to start the server and what its state is. Out: a ``Domain`` class whose worlds are our
copy-on-write worlds; servers only execute calls. The way of a call: ``McpTool`` (tools.py) validates the arguments,
``Pool`` (pool.py) finds or prepares a server in the world's state, ``Server`` (server.py) speaks the protocol over
bounded streams (transport.py), and a snapshot (snapshot.py) writes the changes back into the world. A server is not
trusted: what is taken from its schemas and answers is in schemas.py and answers.py. Rules are data (rules.py). Nothing
here knows what the domain is about. Read config.py first, the schema of the file, then domain.py.
"""
