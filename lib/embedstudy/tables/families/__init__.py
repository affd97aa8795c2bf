"""Which methods each family has: a module a family, apart from the methods themselves.

A family's own package imports none of its methods, so that whoever needs one method does not depend
on the source of the others.
"""
