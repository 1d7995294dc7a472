"""A model that follows a script, on 127.0.0.1, in the shapes in which real models are reached.

server    serves it: in this process (`ModelServer`) or as `python -m tests.models`
scenario  what the model says and does, step by step
position  where in its scenario a conversation is
toolbox   what the model wants done, in the words of the tools that an agent offers
speech    what the shapes have in common; anthropic, chat, responses, gemini: one shape each
ledger    who asked what, with secrets left out
"""
