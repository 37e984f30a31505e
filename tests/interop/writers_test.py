def run(tests, tools): pass
