-- Nothing: this number belongs to a change that is merged later.
SELECT 1;
