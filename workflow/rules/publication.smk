rule table1:
    output: "a"
rule fig4:
    output: "b"
rule report:
    output: "c"
