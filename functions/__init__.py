"""The triggers of the Azure Functions app, one blueprint for each family.

A trigger parses, calls the product and answers; what is to be done is decided in `shared`. Functions are plain `def`:
the libraries they use block, and a blocked event loop would stall every other function in the process.
"""
