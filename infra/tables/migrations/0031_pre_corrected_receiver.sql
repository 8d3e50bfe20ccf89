-- A receiver whose address a person has corrected. Earlier code neither writes nor reads it: it takes over the platform's
-- next content as it is.
ALTER TABLE receiver ADD COLUMN corrected_from text;
COMMENT ON COLUMN receiver.corrected_from IS 'digest of the address that the platform says and that a person has corrected; NULL: nobody has';
