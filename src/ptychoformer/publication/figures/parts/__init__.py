"""What figures are made of: pictures and panels, lines against what an experiment varies, and
the house style.
"""
